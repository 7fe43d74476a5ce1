//! An HTTP/1 and HTTP/2 server on one connection. Where the connection runs is the caller's choice:
//! [`serve_connection`] is a future.

mod config;
mod discard;
mod settings;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::config::Secret;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::Instant;

use crate::body::{Gather, Pace, ReadError};
use crate::compression::{DecompressError, Encoding, decompress, http_name_is_identity};
use crate::drive::{self, Activity, Executor, InFlight, Limits};
use crate::metered::Metered;
use crate::reserve::{Refusal, Reservation, Reserve};
use crate::shutdown::Signal;
use crate::status::retry_after;
use crate::{Peer, Stream};

use self::discard::{discard, hear_out};

pub use self::config::Config;
pub use self::settings::Settings;
pub use crate::drive::{End, Reason};

/// Longest HTTP/1 head, and the most that is read at once.
const MAX_BUFFER: usize = 64 << 10;

/// Largest HTTP/2 frame, as in the gRPC server and for the same reason.
const MAX_FRAME: u32 = 64 << 10;

/// The same once many connections are open: the smallest that HTTP/2 has.
const MIN_FRAME: u32 = 16 << 10;

/// A whole answer.
pub type Response = http::Response<Bytes>;

/// Answers the requests of a server.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Dropped when the connection ends.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Looks at a request before its body is read: the place to refuse paths, methods, content types and unknown
    /// clients. Without an answer here the request goes on.
    fn turn_away(&self, head: &Parts, peer: Peer) -> Option<Response> {
        let _ = (head, peer);
        None
    }

    /// Whether a request may be read now. A refusal is told as [`refuse`](Self::refuse) words it, after a little of
    /// the body was thrown away so that the client gets to read it.
    fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        let _ = head;
        Ok(())
    }

    /// The answer to a request whose body cannot be had; plain text unless the service words it.
    fn refuse(&self, head: &Parts, error: &BodyError) -> Response {
        let _ = head;
        let mut response = Response::new(Bytes::from(error.to_string()));
        *response.status_mut() = error.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// A request whose body has been read.
#[derive(Debug)]
pub struct Request {
    /// Method, path and headers as they came.
    pub head: Parts,
    /// Who asks.
    pub peer: Peer,
    /// The body, decompressed.
    pub body: Bytes,
    /// Bytes of the body as it was sent.
    pub wire_len: usize,
    /// The memory of `body`: to be kept as long as that is.
    pub reservation: Reservation,
}

/// Why a body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More than `max_request_body_size`, as sent or decompressed.
    #[error("http: request body too large")]
    TooLarge,
    /// A `Content-Encoding` that is not accepted.
    #[error("unsupported Content-Encoding: {0}")]
    Unsupported(String),
    /// Not what its encoding says.
    #[error("{0}")]
    Corrupt(String),
    /// No memory for it now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too little of it came for too long.
    #[error("request body timed out")]
    Slow,
    /// The connection broke, or the body's framing.
    #[error("request body could not be read: {0}")]
    Broken(hyper::Error),
}

impl BodyError {
    /// The status that tells the client.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge | Self::Unsupported(_) | Self::Corrupt(_) | Self::Broken(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Refused(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// Serves one connection until it ends. Bodies are read as far as `memory` allows.
pub fn serve_connection<S: Service>(
    stream: Stream,
    peer: Peer,
    service: Arc<S>,
    settings: &Arc<Settings>,
    memory: Arc<dyn Reserve>,
    shutdown: Signal,
) -> impl Future<Output = End> + Send + use<S> {
    let activity = Arc::new(Activity::default());
    let executor = Executor::default();
    let (opening, header) = match (settings.handshake_timeout, settings.read_header_timeout) {
        (opening, Duration::ZERO) => (opening, opening),
        (Duration::ZERO, header) => (header, header),
        (opening, header) => (opening.min(header), header),
    };
    let limits = Limits {
        handshake: opening,
        opening_bytes: u64::MAX,
        header,
        frame: settings.body_timeout,
        idle: settings.idle_timeout,
        unkept: !settings.keep_alives_enabled,
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
        settings: Arc::clone(settings),
        added: response_headers(settings),
        activity: Arc::clone(&activity),
    };
    let calls = Arc::new(calls);
    let answer = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let in_flight = calls.activity.begin(request.version() < Version::HTTP_2);
        let calls = Arc::clone(&calls);
        async move { Ok::<_, Infallible>(calls.answer(request, in_flight).await) }
    });
    let connection = builder(settings, is_roomy, executor.clone()).serve_connection(io, answer).into_owned();
    drive::drive(connection, executor, activity, limits, shutdown)
}

fn builder(settings: &Settings, is_roomy: bool, executor: Executor) -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        // Heads are timed by the driver, which does not take an idle connection for a slow head.
        .header_read_timeout(None)
        .half_close(settings.half_close)
        .keep_alive(settings.keep_alives_enabled)
        .max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_frame_size(if is_roomy { MAX_FRAME } else { MIN_FRAME })
        .max_header_list_size(u32::try_from(MAX_BUFFER).unwrap_or(u32::MAX));
    builder
}

impl<S> drive::Connection for auto::Connection<'static, TokioIo<Metered>, S, Executor>
where
    S: hyper::service::Service<http::Request<Incoming>, Response = http::Response<Reply>, Error = Infallible>,
    S::Future: 'static,
    Executor: auto::HttpServerConnExec<S::Future, Reply>,
{
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What the requests of one connection share.
struct Calls<S> {
    service: Arc<S>,
    memory: Arc<dyn Reserve>,
    peer: Peer,
    settings: Arc<Settings>,
    /// `response_headers`.
    added: HeaderMap,
    activity: Arc<Activity>,
}

/// Names and values are checked with the configuration: what is no header here was none there.
fn response_headers(settings: &Settings) -> HeaderMap {
    let parse = |(name, value): &(String, Secret)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.expose()).ok()?))
    };
    settings.response_headers.iter().filter_map(parse).collect()
}

impl<S: Service> Calls<S> {
    async fn answer(&self, request: http::Request<Incoming>, in_flight: InFlight) -> http::Response<Reply> {
        let (head, body) = request.into_parts();
        let cors = self.settings.cors.as_ref();
        let mut response = match cors.and_then(|cors| cors.preflight(&head)) {
            Some(response) => response,
            None => {
                let origin = cors.map(|_| head.headers.clone());
                let mut response = self.serve(head, body).await;
                if let (Some(cors), Some(request)) = (cors, origin) {
                    cors.decorate(&request, response.headers_mut());
                }
                response
            }
        };
        for (name, value) in &self.added {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.map(|body| Reply { body, _in_flight: in_flight })
    }

    async fn serve(&self, head: Parts, mut body: Incoming) -> Response {
        let deadline = match self.settings.read_timeout {
            Duration::ZERO => None,
            timeout => Instant::now().checked_add(timeout),
        };
        let mut pace = Pace::new(self.settings.body_timeout, deadline);
        let encoding = match self.encoding(&head) {
            Ok(encoding) => encoding,
            Err(error) => {
                let response = self.service.refuse(&head, &error);
                return hear_out(&head, &mut body, &mut pace, response).await;
            }
        };
        if let Some(response) = self.service.turn_away(&head, self.peer) {
            return hear_out(&head, &mut body, &mut pace, response).await;
        }
        let mut reservation = Reservation::new(Arc::clone(&self.memory));
        let read = match self.service.admit(&head) {
            Ok(()) => self.read(&mut body, &mut pace, &mut reservation).await,
            Err(refusal) => Err(refusal.into()),
        };
        let wire_len = read.as_ref().map_or(0, Bytes::len);
        let opened = read.and_then(|body| match encoding {
            Some(encoding) => self.open(&body, encoding, &mut reservation),
            None => Ok(body),
        });
        match opened {
            Ok(body) => {
                let peer = self.peer;
                self.service.call(Request { head, peer, body, wire_len, reservation }).await
            }
            Err(error) => {
                discard(&mut body, &mut pace).await;
                let mut response = self.service.refuse(&head, &error);
                if let BodyError::Refused(Refusal { retry_after: Some(delay), .. }) = error {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(delay)));
                }
                response
            }
        }
    }

    /// The codec of a body; none if it is not compressed.
    fn encoding(&self, head: &Parts) -> Result<Option<Encoding>, BodyError> {
        let name = head.headers.get(CONTENT_ENCODING).map(HeaderValue::to_str);
        let name = name.transpose().map_err(|_| BodyError::Unsupported("(not text)".to_owned()))?;
        let name = name.unwrap_or_default();
        let is_identity = http_name_is_identity(name);
        let is_accepted =
            is_identity || self.settings.compression_algorithms.iter().any(|known| known == name);
        match Encoding::from_http(name) {
            None if is_identity => Ok(None),
            Some(encoding) if is_accepted => Ok(Some(encoding)),
            _ => Err(BodyError::Unsupported(name.to_owned())),
        }
    }

    async fn read(
        &self,
        body: &mut Incoming,
        pace: &mut Pace,
        reservation: &mut Reservation,
    ) -> Result<Bytes, BodyError> {
        let max = self.settings.max_request_body_size;
        let claimed = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if claimed.is_some_and(|size| size > max) {
            return Err(BodyError::TooLarge);
        }
        let mut gather = Gather::new(claimed, reservation)?;
        while let Some(frame) = pace.frame(body).await? {
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > max.saturating_sub(gather.len()) {
                return Err(BodyError::TooLarge);
            }
            gather.push(data, reservation)?;
        }
        Ok(gather.finish())
    }

    /// Decompresses a body; the reservation then stands for the result alone.
    fn open(
        &self,
        body: &[u8],
        encoding: Encoding,
        reservation: &mut Reservation,
    ) -> Result<Bytes, BodyError> {
        let mut result = reservation.sibling();
        let opened = decompress(encoding, body, self.settings.max_request_body_size, &mut result);
        let opened = opened.map_err(|error| match error {
            DecompressError::TooLarge { .. } => BodyError::TooLarge,
            DecompressError::Corrupt(why) => BodyError::Corrupt(why),
            DecompressError::Refused(refusal) => BodyError::Refused(refusal),
        })?;
        *reservation = result;
        Ok(Bytes::from(opened))
    }
}

impl From<ReadError> for BodyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Stalled | ReadError::Deadline => Self::Slow,
            ReadError::Broken(error) => Self::Broken(error),
        }
    }
}

/// The body of an answer. It counts its request until it is written.
pub(crate) struct Reply {
    body: Bytes,
    _in_flight: InFlight,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = std::mem::take(&mut self.body);
        Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}
