//! Sockets and connections: one server for each protocol, until it is told to drain.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use component::{BoxError, Ended, RunCx};
use net::dial::Proto;
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::Reserve;
use net::shutdown::{Phase, Signal, Trigger};
use net::tls::{ServerSettings, ServerTls};
use net::{Peer, Stream};

use crate::grpc::Grpc;
use crate::http::Http;
use crate::intake::Memory;

/// A bound server, ready to accept.
pub(crate) struct Server {
    bound: Bound,
    listen: ListenSettings,
    opening: Opening,
    memory: Arc<dyn Reserve>,
    connect: Connect,
    cx: RunCx,
}

/// How a connection comes from its acceptance to its first request.
#[derive(Clone)]
struct Opening {
    tls: Option<Arc<ServerTls>>,
    /// For the client to begin; zero is no limit.
    timeout: Duration,
}

/// Serves one connection.
type Connect = Arc<dyn Fn(Stream, Peer, Signal) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A server of OTLP over gRPC.
pub(crate) fn grpc(
    config: &net::grpc::server::Config,
    service: Grpc,
    cx: &RunCx,
) -> Result<Server, BoxError> {
    let (service, settings) = (Arc::new(service), Arc::new(config.settings()));
    let memory: Arc<dyn Reserve> = Arc::new(Memory(Arc::clone(&cx.budget)));
    let connect: Connect = Arc::new(move |stream, peer, signal| {
        let (service, memory) = (Arc::clone(&service), Arc::clone(&memory));
        let serving = net::grpc::server::serve_connection(stream, peer, service, &settings, memory, signal);
        Box::pin(async move { note_end(peer, &serving.await) })
    });
    let tls = tls(config.tls.get(), &[Proto::Http2], config.handshake_timeout)?;
    let opening = Opening { tls, timeout: config.handshake_timeout };
    bind(&config.listen, opening, connect, cx, "Starting GRPC server")
}

/// A server of OTLP over HTTP.
pub(crate) fn http(
    config: &net::http::server::Config,
    service: Http,
    cx: &RunCx,
) -> Result<Server, BoxError> {
    let (service, settings) = (Arc::new(service), Arc::new(config.settings()));
    let memory: Arc<dyn Reserve> = Arc::new(Memory(Arc::clone(&cx.budget)));
    let connect: Connect = Arc::new(move |stream, peer, signal| {
        let (service, memory) = (Arc::clone(&service), Arc::clone(&memory));
        let serving = net::http::server::serve_connection(stream, peer, service, &settings, memory, signal);
        Box::pin(async move { note_end(peer, &serving.await) })
    });
    let tls = tls(config.tls.get(), &[Proto::Http2, Proto::Http1], config.handshake_timeout)?;
    let opening = Opening { tls, timeout: config.handshake_timeout };
    bind(&config.listen, opening, connect, cx, "Starting HTTP server")
}

/// Serves until drained: accepts no more, lets every request in flight be answered, ends every connection.
pub(crate) async fn all(server: Option<Server>) -> Ended {
    let Some(server) = server else { return Ok(()) };
    let trigger = Trigger::default();
    let draining = server.cx.draining.clone();
    tokio::select! {
        () = draining.cancelled() => {}
        ended = server.accept(&trigger) => return ended,
    }
    trigger.drain();
    tokio::select! {
        () = trigger.finished() => {}
        () = server.cx.stopping.cancelled() => {
            trigger.stop();
            trigger.finished().await;
        }
    }
    Ok(())
}

impl Server {
    async fn accept(&self, trigger: &Trigger) -> Ended {
        let listener = self.bound.listen(&self.listen)?;
        loop {
            let (stream, peer) = listener.accept().await;
            let stream = stream.admitted(Arc::clone(&self.memory)).await;
            let (connect, mut signal) = (Arc::clone(&self.connect), trigger.signal());
            let opening = self.opening.clone();
            self.cx.workers.spawn(&self.cx.name, async move {
                let opened = tokio::select! {
                    biased;
                    opened = opening.open(stream) => opened,
                    // Has asked for nothing yet: nobody waits for the end of its handshake.
                    _ = signal.reached(Phase::Drain) => return,
                };
                match opened {
                    Ok(Some(stream)) => connect(stream, peer, signal).await,
                    // Opened for later, or to see whether somebody listens.
                    Ok(None) => tracing::debug!(%peer, "connection stayed silent"),
                    Err(error) => tracing::warn!(%peer, %error, "connection failed to open"),
                }
            });
        }
    }
}

impl Opening {
    /// Brings a connection to the runtime that serves it, waits for its first bytes and for room, and shakes hands.
    /// None if nothing came.
    async fn open(self, stream: Stream) -> io::Result<Option<Stream>> {
        let stream = stream.into_current_runtime()?;
        let stream = match stream.wait_for_room(self.tls.is_some(), self.timeout).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
            stream => stream?,
        };
        match self.tls {
            None => Ok(Some(stream)),
            // A handshake's state is large, and a connection may never come to it.
            Some(tls) => Box::pin(tls.accept(stream)).await.map(Some),
        }
    }
}

fn tls(
    settings: Option<&ServerSettings>,
    protocols: &[Proto],
    handshake_timeout: Duration,
) -> Result<Option<Arc<ServerTls>>, BoxError> {
    let Some(settings) = settings else { return Ok(None) };
    let tls = ServerTls::new(settings, protocols, handshake_timeout);
    Ok(Some(Arc::new(tls.map_err(|error| format!("failed to load TLS config: {error}"))?)))
}

/// Binds the socket, or takes the one that the process has bound already.
fn bind(
    settings: &ListenSettings,
    opening: Opening,
    connect: Connect,
    cx: &RunCx,
    message: &'static str,
) -> Result<Server, BoxError> {
    let mut key = format!("{} {}", settings.transport, settings.endpoint);
    if settings.endpoint.ends_with(":0") {
        // Any free port is another one for each server.
        key = format!("{key} of {}: {message}", cx.name);
    }
    let bound = cx.listeners.open(&key, || Bound::bind(settings))?;
    let endpoint =
        bound.local_addr().map_or_else(|| settings.endpoint.clone(), |address| address.to_string());
    tracing::info!(otelcol.component.id = %cx.node.id, otelcol.component.kind = "receiver", endpoint, "{message}");
    let memory: Arc<dyn Reserve> = Arc::new(Memory(Arc::clone(&cx.budget)));
    Ok(Server { bound, listen: settings.clone(), opening, memory, connect, cx: cx.clone() })
}

fn note_end(peer: Peer, end: &net::grpc::server::End) {
    tracing::debug!(%peer, ?end, "connection ended");
}
