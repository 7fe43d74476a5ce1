//! A unary gRPC client that keeps its connections up.

mod channel;
mod config;
mod request;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{ACCEPT_ENCODING, code_from_reset, format_timeout, is_grpc, message, reset_reason};
use crate::body::Pace;
use crate::compression::{Compression, Encoding};
use crate::dial::{Address, Proto};
use crate::endpoint::{Endpoint, EndpointError, Target};
use crate::proxy::{Proxies, Proxy};
use crate::reserve::Reservation;
use crate::status::code_from_foreign_http;
use crate::tls::{ClientTls, TlsError};

pub use self::config::Config;
pub use self::settings::{Balancer, Keepalive, Settings};
use channel::{Manager, Picked, Snapshot};
use request::Message;

/// A call that could not be written to its connection is tried on others, this often in all.
const MAX_TRIES: usize = 4;

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The endpoint cannot be understood.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// TLS cannot be set up.
    #[error("failed to load TLS config: {0}")]
    Tls(#[from] TlsError),
    /// A header that HTTP/2 cannot carry.
    #[error("invalid header {0:?}")]
    Header(String),
    /// An `authority` that is none.
    #[error("invalid authority {0:?}")]
    Authority(String),
    /// A compression that gRPC does not have.
    #[error("unsupported compression type {0:?} for gRPC")]
    Compression(Compression),
    /// Called outside of a tokio runtime.
    #[error("a client needs a tokio runtime")]
    NoRuntime,
}

/// Finds a client's addresses in another way than by its endpoint's name. Must not block.
pub type Resolver = Arc<dyn Fn() -> std::io::Result<Vec<Address>> + Send + Sync>;

/// What a client has in common for all its connections.
struct Shared {
    settings: Settings,
    endpoint: Endpoint,
    resolver: Option<Resolver>,
    tls: Option<ClientTls>,
    proxy: Option<Proxy>,
}

/// A client. Clones share connections; the last one to go closes them.
///
/// It connects at once and in the background, in the runtime it was made in. That a server cannot be reached is an
/// answer to calls, and a line in the log, but no failure to start.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    state: watch::Receiver<Arc<Snapshot>>,
    /// Whose turn it is.
    turn: AtomicUsize,
    manager: tokio::task::AbortHandle,
    scheme: Scheme,
    authority: Authority,
    headers: HeaderMap,
    encoding: Option<Encoding>,
    max_answer: usize,
    wait_for_ready: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.manager.abort();
    }
}

/// The answer to a call.
#[derive(Debug)]
pub struct Response {
    /// The message, decompressed.
    pub message: Bytes,
    /// Bytes of the request's message as it was sent.
    pub sent_len: usize,
    /// Initial metadata.
    pub headers: HeaderMap,
}

impl Client {
    /// Makes a client and begins to connect. Everything wrong with `settings` is found here.
    pub fn new(settings: Settings, proxies: &Proxies) -> Result<Self, ClientError> {
        Self::with_resolver(settings, proxies, None)
    }

    /// Like [`Client::new`], with addresses from `resolver`, if there is one. The endpoint still gives the names that
    /// the servers go by.
    pub fn with_resolver(
        settings: Settings,
        proxies: &Proxies,
        resolver: Option<Resolver>,
    ) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ClientError::NoRuntime)?;
        let endpoint = Endpoint::parse(&settings.endpoint)?;
        let is_plain = settings.tls.is_plaintext() && !endpoint.forces_tls;
        let tls = match is_plain {
            true => None,
            false => Some(ClientTls::new(&settings.tls, &[Proto::Http2])?),
        };
        if !settings.compression.is_for_grpc() {
            return Err(ClientError::Compression(settings.compression));
        }
        let authority = authority(&settings, &endpoint)?;
        let headers = base_headers(&settings)?;
        let scheme = if is_plain { Scheme::HTTP } else { Scheme::HTTPS };
        let encoding = settings.compression.for_grpc().map(|(encoding, _)| encoding);
        let (max_answer, wait_for_ready) = (settings.max_recv_msg_size, settings.wait_for_ready);
        let proxy = match &endpoint.target {
            // As in gRPC, whether or not there is TLS.
            Target::Tcp { host, port } => proxies.for_target(true, host, *port).cloned(),
            Target::Unix(_) => None,
        };
        let shared = Arc::new(Shared { settings, endpoint, resolver, tls, proxy });
        let (manager, state) = Manager::new(shared);
        let manager = runtime.spawn(manager.run()).abort_handle();
        let turn = AtomicUsize::new(0);
        let inner =
            Inner { state, turn, manager, scheme, authority, headers, encoding, max_answer, wait_for_ready };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Calls `path` with the message that `parts` make one after another, and waits for the answer until `deadline`,
    /// which the server is told of.
    ///
    /// `metadata` is added to the configured headers. A status says whether and when to try again:
    /// [`crate::status::is_retryable`], [`crate::status::retry_delay`]. Dropping the future cancels the call.
    pub async fn unary(
        &self,
        path: &PathAndQuery,
        metadata: &HeaderMap,
        parts: &[Bytes],
        deadline: Option<Instant>,
    ) -> Result<Response, Status> {
        let call = self.call(path, metadata, parts, deadline);
        match deadline {
            None => call.await,
            Some(deadline) => tokio::time::timeout_at(deadline, call)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("context deadline exceeded"))),
        }
    }

    /// Connections that calls can use now.
    pub fn ready_connections(&self) -> usize {
        self.inner.state.borrow().ready()
    }

    async fn call(
        &self,
        path: &PathAndQuery,
        metadata: &HeaderMap,
        parts: &[Bytes],
        deadline: Option<Instant>,
    ) -> Result<Response, Status> {
        let inner = &*self.inner;
        let message = Message::new(inner.encoding, parts)?;
        let sent_len = message.len();
        let mut tries = 1;
        let response = loop {
            let mut connection = self.pick().await?;
            let request = inner.request(path, metadata, &message, deadline)?;
            let mut error = match connection.sender.try_send_request(request).await {
                Ok(response) => break response,
                Err(error) => error,
            };
            // A request that comes back was not sent: no server has seen it.
            if error.take_message().is_none() || tries >= MAX_TRIES {
                return Err(broken(&error.into_error()));
            }
            tries += 1;
            // Let the connection's end be noticed before the next choice.
            tokio::task::yield_now().await;
        };
        let (message, headers) = inner.answer(response).await?;
        Ok(Response { message, sent_len, headers })
    }

    /// A connection for a call, waited for as long as one may come.
    async fn pick(&self) -> Result<channel::Connection, Status> {
        let mut state = self.inner.state.clone();
        loop {
            let snapshot = Arc::clone(&state.borrow_and_update());
            let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed);
            match snapshot.pick(turn) {
                Picked::Ready(connection) => return Ok(connection),
                Picked::Failed(why) if !self.inner.wait_for_ready => return Err(Status::unavailable(why)),
                Picked::Failed(_) | Picked::Connecting => {}
            }
            if state.changed().await.is_err() {
                return Err(Status::unavailable("the client is closed"));
            }
        }
    }
}

impl Inner {
    fn request(
        &self,
        path: &PathAndQuery,
        metadata: &HeaderMap,
        message: &Message,
        deadline: Option<Instant>,
    ) -> Result<http::Request<request::Body>, Status> {
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.clone())
            .build()
            .map_err(|error| Status::internal(error.to_string()))?;
        let mut request = http::Request::new(message.body());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_2;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        for (name, value) in metadata {
            headers.append(name.clone(), value.clone());
        }
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            headers.insert(HeaderName::from_static("grpc-timeout"), format_timeout(left));
        }
        Ok(request)
    }

    /// Reads an answer to its status.
    async fn answer(&self, response: http::Response<Incoming>) -> Result<(Bytes, HeaderMap), Status> {
        let (head, mut body) = response.into_parts();
        if let Some(status) = Status::from_header_map(&head.headers)
            && status.code() != Code::Ok
        {
            return Err(status);
        }
        if head.status != http::StatusCode::OK {
            return Err(Status::new(
                code_from_foreign_http(head.status.as_u16()),
                format!("unexpected HTTP status code received from server: {}", head.status),
            ));
        }
        if !head.headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
            return Err(Status::unknown("malformed header: missing or unexpected HTTP content-type"));
        }
        // The call's deadline holds for the whole of it, and the answer is small: no pace, no budget.
        let mut reservation = Reservation::unlimited();
        let mut pace = Pace::new(Duration::ZERO, None);
        let received = message::read(&mut body, self.max_answer, &mut pace, &mut reservation).await?;
        let trailers = received.trailers.as_ref().and_then(Status::from_header_map);
        match trailers.or_else(|| Status::from_header_map(&head.headers)) {
            Some(status) if status.code() == Code::Ok => {}
            Some(status) => return Err(status),
            None => return Err(Status::internal("server closed the stream without sending trailers")),
        }
        let Some(payload) = received.payload else {
            return Err(Status::internal("cardinality violation: received no response message"));
        };
        if !received.is_compressed {
            return Ok((payload, head.headers));
        }
        let name = head.headers.get("grpc-encoding").map(HeaderValue::as_bytes).unwrap_or_default();
        let encoding = Encoding::from_grpc(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Status::internal(format!("grpc: Decompressor is not installed for grpc-encoding {name:?}"))
        })?;
        let message = message::open(payload, encoding, self.max_answer, &mut reservation)?;
        Ok((message, head.headers))
    }
}

/// The status of a call whose stream or connection broke.
fn broken(error: &hyper::Error) -> Status {
    if let Some(reason) = reset_reason(error) {
        return Status::new(
            code_from_reset(reason),
            format!("stream terminated by RST_STREAM with error code: {reason}"),
        );
    }
    let mut text = format!("connection error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    Status::unavailable(text)
}

fn authority(settings: &Settings, endpoint: &Endpoint) -> Result<Authority, ClientError> {
    // As in Go, the name that TLS asks for is the name that the server is addressed by.
    let name = match (settings.authority.as_str(), settings.tls.server_name_override.as_str()) {
        ("", "") => endpoint.target.authority(),
        ("", name) | (name, _) => name.to_owned(),
    };
    Authority::try_from(name.as_str()).map_err(|_| ClientError::Authority(name))
}

/// The headers of every call, but for its deadline.
fn base_headers(settings: &Settings) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, super::CONTENT_TYPE);
    headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    headers.insert(HeaderName::from_static("grpc-accept-encoding"), ACCEPT_ENCODING);
    if let Some((_, name)) = settings.compression.for_grpc() {
        headers.insert(HeaderName::from_static("grpc-encoding"), HeaderValue::from_static(name));
    }
    let agent = match settings.user_agent.as_str() {
        "" => crate::http::client::default_user_agent(),
        agent => agent.to_owned(),
    };
    let agent = HeaderValue::try_from(agent.as_str()).map_err(|_| ClientError::Header(agent))?;
    headers.insert(USER_AGENT, agent);
    for (name, value) in &settings.headers {
        // The reader of the configuration has warned. The Collector takes it, and then fails every call.
        let Ok(key) = HeaderName::try_from(name.to_ascii_lowercase()) else { continue };
        let bad = |_| ClientError::Header(name.clone());
        let mut value = HeaderValue::try_from(value.expose()).map_err(bad)?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
