//! The signing proxy: a plain HTTP server that signs what it is sent and forwards it to a service.
//!
//! X-Ray's SDKs fetch sampling rules through it, unsigned. With rules in a file it answers those requests itself, from
//! reservoirs that all its clients share, and needs no AWS account for that.

mod config;
mod forward;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use component::{BoxError, Ended, Environment, RunCx};
use net::http::server::{Settings, serve_connection};
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::{Refusal, Reserve};
use net::shutdown::Trigger;
use telemetry::metrics::Counter;
use tokio::task::JoinSet;
use xray::sampling::Now;

pub use self::config::{Config, Forward, Switchable};
use self::forward::Forwarder;
use self::rules::Rules;
use crate::{Client, ClientSettings, Role, Session, SessionError, SessionSettings, region};

/// A request's body, at most; the Collector's limit.
const MAX_REQUEST: usize = 20 << 20;

/// An answer's body, at most. AWS's answers are far smaller.
pub(crate) const MAX_ANSWER: usize = 32 << 20;

/// For a request's head. The Collector's limit.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// For a forwarded request, with everything that belongs to it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once. SDKs open one for each request.
const MAX_CONNECTIONS: usize = 1_000;

/// How often a file with rules is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What requests under way have when the process drains. Sampling calls wait for nobody.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why the proxy can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No region, or an endpoint that is none. Without rules of its own the proxy would be good for nothing.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Anything else: the port is taken, the rules are wrong, TLS can't be set up.
    #[error("{0}")]
    Other(BoxError),
}

/// A proxy that is bound and can be run.
pub struct Proxy {
    bound: Bound,
    listen: ListenSettings,
    service: Arc<Forwarder>,
    rules: Option<Arc<Rules>>,
    cx: RunCx,
}

impl Proxy {
    /// Reads the rules, finds region and endpoint, binds the port.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub async fn bind(config: &Config, environment: &Environment, cx: &RunCx) -> Result<Self, ProxyError> {
        let other = |error: BoxError| ProxyError::Other(error);
        let rules = match config.rules.as_str() {
            "" => None,
            path => Some(Arc::new(Rules::open(path, now(&*cx.clock)).map_err(other)?)),
        };
        let client = upstream(config, environment, rules.is_some()).await?;
        match &client {
            Some(client) => {
                tracing::info!(endpoint = %client.session().endpoint, "HTTP Proxy server using X-Ray Endpoint");
            }
            None => {
                tracing::info!("no region is known: the proxy answers sampling requests and forwards nothing")
            }
        }
        let listen = ListenSettings {
            endpoint: config.endpoint.clone(),
            max_connections: MAX_CONNECTIONS,
            ..ListenSettings::default()
        };
        let mut key = listen.key();
        if key.ends_with(":0") {
            // Any free port is another one for each server.
            key = format!("{key} of {}: proxy", cx.name);
        }
        let bound = cx.listeners.open(&key, || Bound::bind(&listen)).map_err(|error| other(error.into()))?;
        let endpoint = bound.local_addr().map_or_else(|| listen.endpoint.clone(), |it| it.to_string());
        tracing::info!(otelcol.component.id = %cx.node.id, endpoint, "Starting proxy http server");
        let count = |outcome: &str| -> Counter {
            let labels = [("component", cx.node.id.to_string()), ("outcome", outcome.to_owned())];
            let help = "Number of requests to the AWS proxy by what became of them";
            cx.meters.counter("collimator_aws_proxy_requests", help, "{requests}", &labels)
        };
        let service = Forwarder {
            client,
            rules: rules.clone(),
            only_sampling: config.is_only_sampling(),
            clock: Arc::clone(&cx.clock),
            answered: count("answered"),
            forwarded: count("forwarded"),
            failed: count("failed"),
        };
        Ok(Self { bound, listen, service: Arc::new(service), rules, cx: cx.clone() })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.bound.local_addr()
    }

    /// Serves until [`RunCx::draining`].
    ///
    /// # Errors
    /// If the socket can't be listened on.
    pub async fn run(self) -> Ended {
        let listener = self.bound.listen(&self.listen)?;
        let trigger = Trigger::default();
        let settings = Arc::new(Settings {
            max_request_body_size: MAX_REQUEST,
            read_header_timeout: HEAD_TIMEOUT,
            handshake_timeout: HEAD_TIMEOUT,
            ..Settings::default()
        });
        let memory: Arc<dyn Reserve> = Arc::new(Memory(Arc::clone(&self.cx.budget)));
        let mut connections = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.cx.draining.cancelled() => break,
                _ = look.tick(), if self.rules.is_some() => {
                    if let Some(rules) = &self.rules {
                        rules.look(now(&*self.cx.clock).wall);
                    }
                }
                (stream, peer) = listener.accept() => {
                    let (service, memory) = (Arc::clone(&self.service), Arc::clone(&memory));
                    let serving = serve_connection(stream, peer, service, &settings, memory, trigger.signal());
                    let serving = async move {
                        let end = serving.await;
                        tracing::debug!(%peer, ?end, "connection ended");
                    };
                    connections.spawn(self.cx.workers.guard(&self.cx.name, serving));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        trigger.drain();
        let ended = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(LAST_WORDS, ended).await.ok();
        Ok(())
    }
}

fn now(clock: &dyn data::Clock) -> Now {
    let now = clock.now();
    Now { mono: Duration::from_nanos(now.mono), wall: Duration::from_nanos(now.wall) }
}

/// The way to the service. None if there are rules to answer from and no region is named: asking the metadata service
/// would only delay the start of a process that has no AWS account.
async fn upstream(
    config: &Config,
    environment: &Environment,
    has_rules: bool,
) -> Result<Option<Client>, ProxyError> {
    let settings = config.session();
    // A variable of nothing, as compose files write it, names no region.
    let is_set = |name: &str| environment.get(name).is_some_and(|region| !region.is_empty());
    let named = ["AWS_DEFAULT_REGION", "AWS_REGION"].into_iter().any(is_set);
    if has_rules && settings.region.is_empty() && !named {
        return Ok(None);
    }
    let mut session = Session::open(&settings, environment).await?;
    session.endpoint = session.endpoint.without_path();
    let settings = ClientSettings {
        timeout: TIMEOUT,
        proxy_address: config.proxy_address.clone(),
        tls: config.tls.0.clone(),
        no_verify_ssl: config.tls.0.insecure,
        max_idle_conns: 2,
        idle_conn_timeout: Duration::from_secs(30),
        max_response_body_size: MAX_ANSWER + 1,
        ..ClientSettings::default()
    };
    let client = Client::new(session, &settings, environment);
    client.map(Some).map_err(|error| ProxyError::Other(error.into()))
}

impl Config {
    fn session(&self) -> SessionSettings {
        let role = (!self.role_arn.is_empty()).then(|| Role {
            arn: self.role_arn.clone(),
            session_name: self.role_session_name.clone(),
            ..Role::default()
        });
        SessionSettings {
            service: self.service_name.clone(),
            region: self.region.clone(),
            order: region::Order::Proxy,
            endpoint: self.aws_endpoint.clone(),
            local_mode: self.local_mode,
            role,
        }
    }
}

/// The process's memory for telemetry: requests take from it as telemetry does.
struct Memory(Arc<data::Budget>);

impl Reserve for Memory {
    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        self.0.take(bytes).map_err(|_| Refusal::new("request refused due to high memory usage"))
    }

    fn release(&self, bytes: usize) {
        self.0.give_back(bytes);
    }

    fn take_buffer(&self, bytes: usize) -> Result<(), Refusal> {
        self.0.take_buffer(bytes).map_err(|_| Refusal::new("no memory for a connection's buffers"))
    }

    fn release_buffer(&self, bytes: usize) {
        self.0.give_back_buffer(bytes);
    }

    fn is_roomy(&self) -> bool {
        self.0.is_roomy()
    }
}

#[cfg(test)]
mod tests;
