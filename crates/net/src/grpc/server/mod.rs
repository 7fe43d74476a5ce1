//! A unary gRPC server on one connection. Where the connection runs is the caller's choice: [`serve_connection`] is a
//! future.

mod config;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::message::{self, PREFIX};
use super::{ACCEPT_ENCODING, is_grpc, parse_timeout};
use crate::body::Pace;
use crate::compression::Encoding;
use crate::drive::{self, Activity, Executor, InFlight, Limits};
use crate::metered::Metered;
use crate::reserve::{Reservation, Reserve};
use crate::shutdown::Signal;
use crate::{Peer, Stream};

pub use self::config::{Config, KeepaliveConfig};
pub use crate::drive::{End, Reason};

/// The client's preface and the head of its first frame: with these it has shown to speak HTTP/2.
const OPENING_BYTES: u64 = 33;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Answers the calls of a server.
pub trait Service: Send + Sync + 'static {
    /// Answers one call with an encoded message or a status. Dropped when the client cancels, when the call's
    /// deadline passes, and when the connection ends.
    fn call(&self, request: Request) -> impl Future<Output = Result<Bytes, Status>> + Send;

    /// Looks at a call before its body is read: the place to refuse unknown methods and unknown clients.
    fn admit(&self, path: &str, headers: &HeaderMap, peer: Peer) -> Result<(), Status> {
        let _ = (path, headers, peer);
        Ok(())
    }
}

/// A call whose message has been read.
#[derive(Debug)]
pub struct Request {
    /// Method, path and headers as they came.
    pub head: Parts,
    /// Who calls.
    pub peer: Peer,
    /// The message, decompressed.
    pub message: Bytes,
    /// Bytes of the message as it was sent.
    pub wire_len: usize,
    /// When the client stops waiting.
    pub deadline: Option<Instant>,
    /// The memory of `message`: to be kept as long as that is.
    pub reservation: Reservation,
}

impl Request {
    /// The method's path, such as `/package.Service/Method`.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }
}

/// What a gRPC server allows. Durations of zero are no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Largest message in bytes, on the wire and decompressed.
    pub max_recv_msg_size: usize,
    /// Calls in flight per connection; 0 takes the default of 1,000. (The Collector's 0 is unlimited; a client that
    /// meets this limit waits.)
    pub max_concurrent_streams: u32,
    /// `keepalive.server_parameters`.
    pub keepalive: Keepalive,
    /// For the client to begin speaking HTTP/2. Ours.
    pub handshake_timeout: Duration,
    /// In each such interval a body has to bring 1 KiB, or its end; and each HTTP/2 frame its end. Ours.
    pub body_timeout: Duration,
    /// For a client to take what is sent to it. Ours.
    pub write_timeout: Duration,
    /// Bytes a client may send ahead in one call. Ours.
    pub stream_window: u32,
    /// Bytes a client may send ahead on one connection. Ours.
    pub connection_window: u32,
    /// Largest HTTP/2 frame a client may send. Ours. With 64 KiB a message of 53 kB costs the server 8 µs, with
    /// HTTP/2's 16 KiB 17 µs (Rust clients make use of it, Go's do not). A frame is in memory before any is asked
    /// for, so it should not be larger than need be.
    pub max_frame_size: u32,
    /// Largest head of a call, decompressed. Ours.
    pub max_header_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_recv_msg_size: 4 << 20,
            max_concurrent_streams: 0,
            keepalive: Keepalive::default(),
            handshake_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            stream_window: 1 << 20,
            connection_window: 4 << 20,
            max_frame_size: 64 << 10,
            max_header_size: 32 << 10,
        }
    }
}

/// How long connections live, and how dead ones are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Longest time without a call; zero is for ever.
    pub max_connection_idle: Duration,
    /// Longest life; zero is for ever.
    pub max_connection_age: Duration,
    /// For the calls in flight at the end of a longest life; zero is for ever.
    pub max_connection_age_grace: Duration,
    /// Silence after which a client is pinged; zero is gRPC's default of two hours.
    pub time: Duration,
    /// For the answer to a ping; zero is gRPC's default of 20 s.
    pub timeout: Duration,
}

/// Serves one connection until it ends. Bodies are read as far as `memory` allows.
pub fn serve_connection<S: Service>(
    stream: Stream,
    peer: Peer,
    service: Arc<S>,
    settings: &Settings,
    memory: Arc<dyn Reserve>,
    shutdown: Signal,
) -> impl Future<Output = End> + Send + use<S> {
    let activity = Arc::new(Activity::default());
    let executor = Executor::default();
    let limits = Limits {
        handshake: settings.handshake_timeout,
        opening_bytes: OPENING_BYTES,
        frame: settings.body_timeout,
        idle: settings.keepalive.max_connection_idle,
        age: settings.keepalive.max_connection_age,
        age_grace: settings.keepalive.max_connection_age_grace,
        ..Limits::default()
    };
    let io = TokioIo::new(Metered::new(
        stream,
        Arc::clone(&activity),
        Arc::clone(&memory),
        settings.write_timeout,
    ));
    let is_roomy = memory.is_roomy();
    let calls = Calls {
        service,
        memory,
        peer,
        max_message: settings.max_recv_msg_size,
        body_timeout: settings.body_timeout,
        activity: Arc::clone(&activity),
    };
    let calls = Arc::new(calls);
    let answer = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let in_flight = calls.activity.begin(false);
        let calls = Arc::clone(&calls);
        async move { Ok::<_, Infallible>(calls.answer(request, in_flight).await) }
    });
    let connection = builder(settings, is_roomy, executor.clone()).serve_connection(io, answer);
    drive::drive(connection, executor, activity, limits, shutdown)
}

fn builder(settings: &Settings, is_roomy: bool, executor: Executor) -> http2::Builder<Executor> {
    let or = |value: Duration, default: u64| match value.is_zero() {
        true => Duration::from_secs(default),
        false => value,
    };
    // A connection's read buffer stays as large as the largest frame: many connections get HTTP/2's smallest.
    let max_frame_size = if is_roomy { settings.max_frame_size } else { 0 };
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(match settings.max_concurrent_streams {
            0 => 1_000,
            limit => limit,
        })
        .initial_stream_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        // HTTP/2 allows no other values.
        .max_frame_size(max_frame_size.clamp(1 << 14, (1 << 24) - 1))
        .max_header_list_size(settings.max_header_size)
        .keep_alive_interval(or(settings.keepalive.time, 7_200))
        .keep_alive_timeout(or(settings.keepalive.timeout, 20));
    builder
}

impl<S> drive::Connection for http2::Connection<TokioIo<Metered>, S, Executor>
where
    S: hyper::service::HttpService<Incoming, ResBody = Reply, Error = Infallible>,
    Executor: hyper::rt::bounds::Http2ServerConnExec<S::Future, Reply>,
{
    type Error = hyper::Error;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What the calls of one connection share.
struct Calls<S> {
    service: Arc<S>,
    memory: Arc<dyn Reserve>,
    peer: Peer,
    max_message: usize,
    body_timeout: Duration,
    activity: Arc<Activity>,
}

impl<S: Service> Calls<S> {
    async fn answer(&self, request: http::Request<Incoming>, in_flight: InFlight) -> http::Response<Reply> {
        let (head, body) = request.into_parts();
        if let Some(response) = refuse_foreign(&head) {
            return response;
        }
        match self.call(head, body).await {
            Ok(message) => {
                let mut response = http::Response::new(Reply::message(message, in_flight));
                response.headers_mut().insert(CONTENT_TYPE, super::CONTENT_TYPE);
                response
            }
            Err(status) => trailers_only(&status),
        }
    }

    async fn call(&self, head: Parts, mut body: Incoming) -> Result<Bytes, Status> {
        let encoding = encoding(&head.headers)?;
        let timeout = head.headers.get(GRPC_TIMEOUT).and_then(parse_timeout);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.service.admit(head.uri.path(), &head.headers, self.peer)?;

        let mut reservation = Reservation::new(Arc::clone(&self.memory));
        let mut pace = Pace::new(self.body_timeout, deadline);
        let received = message::read(&mut body, self.max_message, &mut pace, &mut reservation).await?;
        let payload = received.payload.ok_or_else(|| {
            Status::internal("cardinality violation: received no request message from a unary client")
        })?;
        let wire_len = payload.len();
        let message = match (received.is_compressed, encoding) {
            (false, _) => payload,
            (true, Some(encoding)) => message::open(payload, encoding, self.max_message, &mut reservation)?,
            (true, None) => {
                return Err(Status::internal("grpc: compressed flag set with identity or empty encoding"));
            }
        };
        let peer = self.peer;
        let answer = self.service.call(Request { head, peer, message, wire_len, deadline, reservation });
        match deadline {
            None => answer.await,
            Some(deadline) => tokio::time::timeout_at(deadline, answer)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("context deadline exceeded"))),
        }
    }
}

/// What is no gRPC call is answered in HTTP, as gRPC servers do.
fn refuse_foreign(head: &Parts) -> Option<http::Response<Reply>> {
    let mut response = http::Response::new(Reply::default());
    if head.method != Method::POST {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    if !head.headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some(response);
    }
    None
}

/// The codec that a compressed message of this call needs.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Status> {
    let Some(name) = headers.get(GRPC_ENCODING) else { return Ok(None) };
    if name == "identity" {
        return Ok(None);
    }
    Encoding::from_grpc(name.as_bytes()).map(Some).ok_or_else(|| {
        let name = String::from_utf8_lossy(name.as_bytes());
        let mut status =
            Status::unimplemented(format!("grpc: Decompressor is not installed for grpc-encoding {name:?}"));
        status
            .metadata_mut()
            .insert("grpc-accept-encoding", tonic::metadata::MetadataValue::from_static("gzip,zstd,snappy"));
        status
    })
}

fn trailers_only(status: &Status) -> http::Response<Reply> {
    let mut response = http::Response::new(Reply::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, super::CONTENT_TYPE);
    if status.add_header(headers).is_err() {
        // Something in the status cannot be a header; the code can.
        headers.insert(GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    if status.code() == Code::Unimplemented && headers.contains_key(GRPC_ACCEPT_ENCODING) {
        headers.insert(GRPC_ACCEPT_ENCODING, ACCEPT_ENCODING);
    }
    response
}

/// The body of an answer: one message and its trailers, or nothing.
#[derive(Default)]
pub(crate) struct Reply {
    message: Option<Bytes>,
    has_trailers: bool,
    /// Counts the call until its answer is written.
    _in_flight: Option<InFlight>,
}

impl Reply {
    fn message(message: Bytes, in_flight: InFlight) -> Self {
        let framed = match u32::try_from(message.len()) {
            Ok(0) => Bytes::from_static(&[0; PREFIX]),
            length => {
                // Answers are far from four gigabytes; one that is not cannot be read by anyone.
                let mut framed = BytesMut::with_capacity(PREFIX + message.len());
                framed.put_u8(0);
                framed.put_u32(length.unwrap_or(u32::MAX));
                framed.extend_from_slice(&message);
                framed.freeze()
            }
        };
        Self { message: Some(framed), has_trailers: true, _in_flight: Some(in_flight) }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if std::mem::take(&mut self.has_trailers) {
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && !self.has_trailers
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.message.as_ref().map_or(0, |message| message.len() as u64))
    }
}
