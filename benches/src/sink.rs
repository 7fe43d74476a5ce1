//! The backend behind the collector: an OTLP gRPC server that notes span ids and does nothing else, and X-Ray's API
//! ([`crate::xray`]) for whoever speaks HTTP/1.1 on the same port.
//!
//! It runs on h2 itself and on one thread, so that the collector under test, not the sink, is the bottleneck.
//! It advertises what a gRPC server in Go or Java does: frames of 16 KiB, windows of some megabytes.

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response, header};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::{grpc, ledger::Ledger, wire, xray};

/// How long a request may be kept waiting by the throttle before it is refused instead.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// A running sink; dropping it stops it.
pub(crate) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the connections of a sink share.
pub(crate) struct Shared {
    ledger: Mutex<Arc<Ledger>>,
    requests: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
    throttle: Throttle,
}

impl Sink {
    /// Starts a sink on a free loopback port that advertises frames of `frame` bytes.
    pub(crate) fn start(ledger: Arc<Ledger>, frame: u32) -> anyhow::Result<Sink> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("sink")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            ledger: Mutex::new(ledger),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            throttle: Throttle { spans_per_second: AtomicU64::new(0), free_at: Mutex::new(Instant::now()) },
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("sink".into())
            .spawn(move || runtime.block_on(serve(listener, serving, frame, stopped)))?;
        Ok(Sink { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on takes at most this many spans a second (0: as many as come).
    pub(crate) fn throttle(&self, spans_per_second: u64) {
        self.shared.throttle.spans_per_second.store(spans_per_second, Relaxed);
    }

    /// Requests taken, refused by the throttle, and unreadable.
    pub(crate) fn counts(&self) -> [u64; 3] {
        [&self.shared.requests, &self.shared.refused, &self.shared.malformed].map(|count| count.load(Relaxed))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    /// How long these spans have to wait, or `None` when they are refused, which is counted.
    pub(crate) fn throttle(&self, spans: usize, now: Instant) -> Option<Duration> {
        let wait = self.throttle.reserve(spans, now);
        if wait.is_none() {
            self.refused.fetch_add(1, Relaxed);
        }
        wait
    }

    pub(crate) fn receive(&self, ids: &[u64]) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).receive(ids);
    }
}

/// Takes spans at a limited rate, in order of arrival.
struct Throttle {
    spans_per_second: AtomicU64,
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// How long the next `spans` have to wait, or `None` when that is too long and they are to be refused.
    fn reserve(&self, spans: usize, now: Instant) -> Option<Duration> {
        let rate = self.spans_per_second.load(Relaxed);
        if rate == 0 {
            return Some(Duration::ZERO);
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*free_at).max(now);
        if begin - now > MAX_WAIT {
            return None;
        }
        *free_at = begin + Duration::from_secs_f64(spans as f64 / rate as f64);
        Some(*free_at - now)
    }
}

async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    frame: u32,
    mut stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared), frame));
                }
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, frame: u32) {
    drop(stream.set_nodelay(true));
    // HTTP/2 begins with PRI, a call of X-Ray's API with POST: the second byte tells.
    let mut begin = [0; 2];
    while matches!(stream.peek(&mut begin).await, Ok(1)) {}
    if begin != *b"PR" {
        return xray::connection(stream, shared).await;
    }
    let handshake = h2::server::Builder::new()
        .max_frame_size(frame)
        .initial_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .max_concurrent_streams(1000)
        .handshake::<_, Bytes>(stream);
    let Ok(mut connection) = handshake.await else { return };
    let mut requests = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let traces = request.uri().path() == grpc::TRACES;
        requests.spawn(answer(request.into_body(), respond, Arc::clone(&shared), traces));
        while requests.try_join_next().is_some() {}
    }
}

/// Takes one request and answers it; a failure to answer means that the client has gone.
async fn answer(body: RecvStream, respond: SendResponse<Bytes>, shared: Arc<Shared>, traces: bool) {
    let Some(chunks) = receive(body).await else { return };
    shared.count_request();
    let mut code = grpc::OK;
    if traces {
        code = match read_ids(&chunks) {
            None => {
                shared.count_malformed();
                grpc::INTERNAL
            }
            Some(ids) => match shared.throttle(ids.len(), Instant::now()) {
                None => grpc::UNAVAILABLE,
                Some(wait) => {
                    drop(chunks);
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                    shared.receive(&ids);
                    grpc::OK
                }
            },
        };
    }
    drop(reply(respond, code));
}

async fn receive(mut body: RecvStream) -> Option<Vec<Bytes>> {
    let mut chunks = Vec::new();
    let mut total = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        total += chunk.len();
        if total > grpc::MAX_MESSAGE {
            return None;
        }
        chunks.push(chunk);
    }
    Some(chunks)
}

fn read_ids(chunks: &[Bytes]) -> Option<Vec<u64>> {
    thread_local! {
        static JOINED: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
    }
    JOINED.with_borrow_mut(|(joined, scratch)| {
        joined.clear();
        chunks.iter().for_each(|chunk| joined.extend_from_slice(chunk));
        let mut ids = Vec::new();
        wire::for_each_span_id(grpc::unframe(joined, scratch)?, |id| ids.push(id)).ok()?;
        Some(ids)
    })
}

fn reply(mut respond: SendResponse<Bytes>, code: i32) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
    if code != grpc::OK {
        response.headers_mut().insert(grpc::GRPC_STATUS, HeaderValue::from(code));
        if let Some(details) = grpc::retry_details(code, Duration::from_secs(1)) {
            response.headers_mut().insert(grpc::GRPC_DETAILS, details);
        }
        respond.send_response(response, true)?;
        return Ok(());
    }
    let mut body = respond.send_response(response, false)?;
    body.send_data(Bytes::from_static(&[0; grpc::PREFIX]), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert(grpc::GRPC_STATUS, HeaderValue::from(code));
    body.send_trailers(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throttle_takes_turns_and_then_refuses() {
        let now = Instant::now();
        let throttle = Throttle { spans_per_second: AtomicU64::new(1000), free_at: Mutex::new(now) };
        assert_eq!(throttle.reserve(1500, now), Some(Duration::from_millis(1500)));
        assert_eq!(throttle.reserve(1500, now), Some(Duration::from_millis(3000)));
        assert_eq!(throttle.reserve(1, now), None);
        assert_eq!(throttle.reserve(1000, now + Duration::from_secs(1)), Some(Duration::from_secs(3)));
        throttle.spans_per_second.store(0, Relaxed);
        assert_eq!(throttle.reserve(1, now), Some(Duration::ZERO));
    }
}
