//! The server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use component::{BoxError, Ended, RunCx};
use futures::FutureExt as _;
use http::request::Parts;
use net::dial::Proto;
use net::http::server::{Config, Request, Response, Service, Settings, serve_connection};
use net::listen::Bound;
use net::reserve::{Refusal, Reserve};
use net::shutdown::{Phase, Signal, Trigger};
use net::tls::ServerTls;
use net::{Peer, Stream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How often [`Site::tick`] is called.
const TICK: Duration = Duration::from_secs(1);
/// How long answers under way have when the extension ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is served.
pub trait Site: Send + Sync + 'static {
    /// Answers a request, whose body is not read.
    fn answer(&self, head: &Parts) -> impl Future<Output = Response> + Send;

    /// Called every second.
    fn tick(&self) {}
}

/// Serves a site on a thread of its own until [`RunCx::draining`]. A taken port is an error before it is ready.
///
/// # Errors
/// What the socket, the certificates or the thread could not do.
pub async fn serve(config: &Config, site: impl Site, cx: &RunCx) -> Ended {
    let tls = config.tls.get().map(|settings| {
        ServerTls::new(settings, &[Proto::Http2, Proto::Http1], config.handshake_timeout)
            .map_err(|error| format!("failed to load TLS config: {error}"))
    });
    let tls = tls.transpose()?.map(Arc::new);
    let mut key = config.listen.key();
    if key.ends_with(":0") {
        // Any free port is another one for each server.
        key = format!("{key} of {}", cx.name);
    }
    let bound = cx.listeners.open(&key, || Bound::bind(&config.listen))?;
    let endpoint = bound.local_addr().map_or_else(|| config.listen.endpoint.clone(), |it| it.to_string());
    tracing::info!(
        otelcol.component.id = %cx.node.id,
        otelcol.component.kind = "extension",
        endpoint,
        "Starting {} extension", cx.node.id
    );
    let server = Server {
        config: config.clone(),
        // Nobody reads a page that was not waited for.
        settings: Arc::new(Settings { half_close: false, ..config.settings() }),
        bound,
        tls,
        site: Arc::new(Served(site)),
        cx: cx.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ended, has_ended) = oneshot::channel();
    let thread = move || {
        let result = runtime.block_on(server.run());
        // Blocking work of a page must not hold up the end of the process.
        runtime.shutdown_background();
        // Nobody listens if the engine was told not to wait.
        ended.send(result).ok();
    };
    std::thread::Builder::new().name(thread_name(&cx.node.id)).spawn(thread)?;
    cx.ready();
    has_ended.await.unwrap_or_else(|_| Err(BoxError::from("the server's thread panicked")))
}

/// Linux cuts names at 15 bytes.
fn thread_name(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_graphic()).take(15).collect()
}

struct Server<S> {
    config: Config,
    settings: Arc<Settings>,
    bound: Bound,
    tls: Option<Arc<ServerTls>>,
    site: Arc<Served<S>>,
    cx: RunCx,
}

impl<S: Site> Server<S> {
    async fn run(self) -> Ended {
        let trigger = Trigger::default();
        let listener = self.bound.listen(&self.config.listen)?;
        let mut connections = JoinSet::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.cx.draining.cancelled() => break,
                _ = ticks.tick() => self.site.0.tick(),
                (stream, peer) = listener.accept() => {
                    connections.spawn(self.connection(stream, peer, trigger.signal()));
                }
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
            }
        }
        drop(listener);
        trigger.drain();
        tokio::time::timeout(LAST_WORDS, async { while connections.join_next().await.is_some() {} })
            .await
            .ok();
        Ok(())
    }

    fn connection(
        &self,
        stream: Stream,
        peer: Peer,
        mut signal: Signal,
    ) -> impl Future<Output = ()> + Send + use<S> {
        let (site, settings, tls) = (Arc::clone(&self.site), Arc::clone(&self.settings), self.tls.clone());
        async move {
            let opened = tokio::select! {
                biased;
                opened = open(stream, tls) => opened,
                _ = signal.reached(Phase::Drain) => return,
            };
            match opened {
                Ok(stream) => {
                    let memory: Arc<dyn Reserve> = Arc::new(NoBodies);
                    let end = serve_connection(stream, peer, site, &settings, memory, signal).await;
                    tracing::debug!(%peer, ?end, "connection ended");
                }
                Err(error) => tracing::warn!(%peer, %error, "connection failed to open"),
            }
        }
    }
}

async fn open(stream: Stream, tls: Option<Arc<ServerTls>>) -> std::io::Result<Stream> {
    let stream = stream.into_current_runtime()?;
    match tls {
        None => Ok(stream),
        Some(tls) => tls.accept(stream).await,
    }
}

/// A site as a service. A page that panics is an answer of 500, not the end of the process that is looked at.
struct Served<S>(S);

impl<S: Site> Service for Served<S> {
    async fn call(&self, request: Request) -> Response {
        let answer = std::panic::AssertUnwindSafe(self.0.answer(&request.head)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(path = request.head.uri.path(), "a page panicked");
            crate::text(http::StatusCode::INTERNAL_SERVER_ERROR, "500 internal server error\n")
        })
    }
}

/// Requests for pages have no bodies to speak of.
struct NoBodies;

impl Reserve for NoBodies {
    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        if bytes > 64 << 10 { Err(Refusal::new("pages take no bodies")) } else { Ok(()) }
    }

    fn release(&self, _bytes: usize) {}
}
