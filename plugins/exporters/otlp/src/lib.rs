//! `otlp_grpc` (formerly `otlp`): sends to an OTLP server over gRPC.
//!
//! A batch goes out as the bytes that it is: its parts are written one after the other into one message.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use component::{
    Accepted, BoxError, BuildCx, BuildError, Component, Environment, Exporter, Kind, Progress, RunCx, Spec,
    Stability, Stage,
};
use config::{Checks, Fields, Section};
use data::{Batch, Code, Refusal, Refused, Signal};
use http::HeaderMap;
use http::uri::PathAndQuery;
use net::compression::{Compression, ForGrpc};
use net::endpoint::{Endpoint, Target};
use net::grpc::client::{Client, Config as ClientConfig, Settings};
use net::proxy::Proxies;
use net::status::{code_name, is_retryable, retry_delay};
use telemetry::metrics::{Histograms, bounds};
use tokio::time::Instant;
use tonic::Status;

/// The component type.
pub const SPEC: Spec = Spec::new::<Otlp>(Kind::Exporter, "otlp_grpc", "Sends to an OTLP server over gRPC")
    .formerly(&["otlp"])
    .stability(Stability::Beta);

/// Settings; the Collector's keys and defaults.
#[derive(Clone, Debug)]
pub struct Config {
    client: ClientConfig,
    delivery: delivery::Settings,
}

impl Default for Config {
    fn default() -> Self {
        let client = ClientConfig { compression: ForGrpc(Compression::Gzip), ..ClientConfig::default() };
        Self { client, delivery: delivery::Settings::default() }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.client);
        fields.flatten(|c| &mut c.delivery);
    }

    fn check(&self, checks: &mut Checks) {
        if self.client.endpoint.is_empty() {
            checks.at("endpoint", "requires a non-empty \"endpoint\"");
        }
    }
}

/// The exporter.
pub struct Otlp {
    settings: Settings,
    proxies: Proxies,
    timeout: Duration,
    /// Made at the start: a client connects at once.
    client: OnceLock<Client>,
    /// How long calls take, by their outcome; at level `detailed`.
    calls: OnceLock<Histograms>,
}

impl Component for Otlp {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let mut settings = config.client.settings();
        if settings.user_agent.is_empty() {
            settings.user_agent = cx.user_agent.to_string();
        }
        let proxies = Proxies::new("", &proxies(&cx.environment))
            .map_err(|error| BuildError::at("", format!("in the environment: {error}")))?;
        let timeout = config.delivery.timeout;
        let exporter = Self { settings, proxies, timeout, client: OnceLock::new(), calls: OnceLock::new() };
        Ok(Stage::Exporter(delivery::unit(exporter, config.delivery.clone(), UNQUEUED_CONCURRENCY)))
    }
}

/// Exports at once when there is no queue to say how many.
const UNQUEUED_CONCURRENCY: usize = 64;

impl Exporter for Otlp {
    type Memory = ();

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        self.calls.get_or_init(|| {
            let help = "Duration of outgoing calls [Development]";
            Histograms::new(&cx.meters, "rpc_client_call_duration", help, "s", bounds::DURATION_SECONDS)
        });
        let client = Client::new(self.settings.clone(), &self.proxies)?;
        // Started once; a second client would only be dropped.
        self.client.get_or_init(|| client);
        Ok(())
    }

    fn destination(&self, _signal: Signal) -> Vec<(&'static str, String)> {
        match Endpoint::parse(&self.settings.endpoint).map(|endpoint| endpoint.target) {
            Ok(Target::Tcp { host, port }) => {
                vec![("server_address", host), ("server_port", port.to_string())]
            }
            Ok(Target::Unix(path)) => vec![("server_address", path.display().to_string())],
            // The client has refused it.
            Err(_) => Vec::new(),
        }
    }

    async fn export(&self, batch: &Batch, _progress: &mut Progress<()>) -> Result<Accepted, Refused> {
        let Some(client) = self.client.get() else { return Err(Refused::retry("not started")) };
        let Some(path) = path(batch.signal()) else {
            return Err(Refused::permanent(Code::Unimplemented, "OTLP does not carry this signal"));
        };
        let parts: Vec<Bytes> = batch.chunks().cloned().collect();
        // Delivery gives up after the timeout too; said here, the server knows as well.
        let deadline = (!self.timeout.is_zero()).then(|| Instant::now() + self.timeout);
        let began = Instant::now();
        let answer = client.unary(&path, &HeaderMap::new(), &parts, deadline).await;
        if let Some(calls) = self.calls.get().filter(|calls| calls.is_on()) {
            let code = answer.as_ref().err().map_or(tonic::Code::Ok, Status::code);
            let mut labels = self.destination(batch.signal());
            labels.push(("rpc_system_name", "grpc".to_owned()));
            labels.push(("rpc_method", path.as_str().trim_start_matches('/').to_owned()));
            labels.push(("rpc_response_status_code", code_name(code).to_owned()));
            calls.observe(&labels, began.elapsed().as_secs_f64());
        }
        match answer {
            Ok(response) => Ok(accepted(&response.message)),
            Err(status) => Err(refused(&status)),
        }
    }
}

fn path(signal: Signal) -> Option<PathAndQuery> {
    let path = match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Xray => return None,
    };
    Some(PathAndQuery::from_static(path))
}

fn accepted(response: &[u8]) -> Accepted {
    let partial = otlp::response::decode(response);
    let said_something = partial != otlp::response::PartialSuccess::default();
    Accepted { rejected: said_something.then_some((partial.rejected, partial.message)) }
}

/// What a status means for the batch.
fn refused(status: &Status) -> Refused {
    let refusal = if is_too_large(status) {
        Refusal::TooLarge
    } else if is_retryable(status) {
        // Zero is no hint: the usual waits are the better guess.
        Refusal::Retry { after: retry_delay(status).filter(|delay| !delay.is_zero()) }
    } else {
        Refusal::Permanent
    };
    Refused { refusal, code: Code::from_number(status.code() as i32), message: status.message().into() }
}

/// Whether the server found the message too large: there is no code for it, only the texts of the libraries
/// (grpc-go, grpc-java, grpc-core, tonic).
fn is_too_large(status: &Status) -> bool {
    let texts = ["larger than max", "exceeds maximum size", "message length too large", "message too large"];
    let code = matches!(status.code(), tonic::Code::ResourceExhausted | tonic::Code::OutOfRange);
    let message = status.message().to_ascii_lowercase();
    code && retry_delay(status).is_none() && texts.iter().any(|text| message.contains(text))
}

/// The proxy variables; upper-case names win.
fn proxies(environment: &Environment) -> net::proxy::Environment {
    net::proxy::Environment::from_variables(|name| environment.get(name))
}

#[cfg(test)]
mod tests;
