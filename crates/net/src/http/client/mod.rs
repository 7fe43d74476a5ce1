//! A pooled HTTP client that posts bodies made of parts.
//!
//! Redirects are not followed: a 3xx is an answer like any other. Cookies are not kept.

mod authorize;
mod config;
mod connector;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use ::config::Secret;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_ENCODING, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;

pub use self::authorize::{Authorize, AuthorizeError, Authorizer, Outgoing, Proof};
pub use self::config::{Auth, CompressionParams, Config};
use crate::compression::{CompressError, Compression, compress};
use crate::dial::{Proto, Unresolved};
use crate::proxy::{Environment, Proxies, ProxyError};
use crate::tls::{self, ClientTls, TlsError};
use connector::Connector;
use parts::Parts;

/// What an HTTP client does. The keys are the Collector's unless marked as ours. Durations of zero are no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The proxy for every request; empty leaves it to the environment.
    pub proxy_url: String,
    /// TLS of `https://` targets; `insecure` has no meaning here.
    pub tls: tls::ClientSettings,
    /// For a whole request.
    pub timeout: Duration,
    /// Sent with every request.
    pub headers: Vec<(String, Secret)>,
    /// How bodies are compressed.
    pub compression: Compression,
    /// The codec's level; 0 is its default.
    pub compression_level: i32,
    /// Idle connections kept in all.
    pub max_idle_conns: usize,
    /// Idle connections kept to one host; 0 is 100.
    pub max_idle_conns_per_host: usize,
    /// Requests in flight to one host at once, which on HTTP/1 is connections; 0 is no limit.
    pub max_conns_per_host: usize,
    /// How long a connection may be idle.
    pub idle_conn_timeout: Duration,
    /// A connection for each request.
    pub disable_keep_alives: bool,
    /// Silence after which an HTTP/2 server is pinged.
    pub http2_read_idle_timeout: Duration,
    /// For the answer to a ping.
    pub http2_ping_timeout: Duration,
    /// Offer HTTP/2 to `https://` targets.
    pub force_attempt_http2: bool,
    /// For a connection to be made, with TLS. Ours; Go's default.
    pub connect_timeout: Duration,
    /// What is read of an answer's body; the rest is ignored. Ours; the Collector's OTLP exporter has the same.
    pub max_response_body_size: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            proxy_url: String::new(),
            tls: tls::ClientSettings::default(),
            timeout: Duration::ZERO,
            headers: Vec::new(),
            compression: Compression::None,
            compression_level: 0,
            max_idle_conns: 100,
            max_idle_conns_per_host: 0,
            max_conns_per_host: 0,
            idle_conn_timeout: Duration::from_secs(90),
            disable_keep_alives: false,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::from_secs(15),
            force_attempt_http2: true,
            connect_timeout: Duration::from_secs(30),
            max_response_body_size: 64 << 10,
        }
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS cannot be set up.
    #[error("failed to load TLS config: {0}")]
    Tls(#[from] TlsError),
    /// A proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A header that HTTP cannot carry.
    #[error("invalid header {0:?}")]
    Header(String),
}

/// Why there is no answer. Everything but [`SendError::Compress`] may go better another time.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not within the timeout.
    #[error("request timed out")]
    Timeout,
    /// The target's address has nobody listening.
    #[error("{0}")]
    Refused(String),
    /// The target's name has no address.
    #[error("{0}")]
    UnknownHost(String),
    /// No connection for another reason, or a broken one.
    #[error("{0}")]
    Transport(String),
    /// The body could not be compressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// Who sends it can't be proved now.
    #[error(transparent)]
    Unauthorized(#[from] AuthorizeError),
}

/// A server's answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it is read.
    pub body: Bytes,
    /// Bytes of the request's body as it was sent.
    pub sent_len: usize,
}

/// A client. Clones share connections. It lives in the tokio runtime of its first request.
#[derive(Clone)]
pub struct Client {
    pool: legacy::Client<Connector, Parts>,
    shared: Arc<Shared>,
    authorizer: Option<Authorizer>,
}

struct Shared {
    settings: Settings,
    headers: HeaderMap,
    /// For requests that say nothing else.
    user_agent: Option<HeaderValue>,
    proxies: Proxies,
    in_flight: Option<Semaphore>,
}

/// What we call ourselves when nobody says otherwise.
pub fn default_user_agent() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("Collimator/{} ({os}/{arch})", env!("CARGO_PKG_VERSION"))
}

impl Client {
    /// Makes a client. Everything wrong with `settings` is found here; connections are made when needed.
    pub fn new(settings: Settings, environment: &Environment) -> Result<Self, ClientError> {
        let protocols: &[Proto] =
            if settings.force_attempt_http2 { &[Proto::Http2, Proto::Http1] } else { &[Proto::Http1] };
        let proxies = Proxies::new(&settings.proxy_url, environment)?;
        let tls = match ClientTls::new(&settings.tls, protocols) {
            Ok(tls) => Ok(Arc::new(tls)),
            // A system without authorities can still reach plain targets, and which they are is not known yet.
            Err(error @ TlsError::System(_)) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let connector = Connector { tls, proxies: proxies.clone(), timeout: settings.connect_timeout };
        let headers = base_headers(&settings)?;
        let pool = pool(&settings, connector);
        let limit = settings.max_conns_per_host;
        let in_flight = (limit > 0).then(|| Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        let user_agent = HeaderValue::try_from(default_user_agent()).ok();
        let shared = Arc::new(Shared { settings, headers, user_agent, proxies, in_flight });
        Ok(Self { pool, shared, authorizer: None })
    }

    /// The same client, whose requests are authorized one by one, after compression.
    #[must_use]
    pub fn authorized(self, by: Authorizer) -> Self {
        Self { authorizer: Some(by), ..self }
    }

    /// Posts the body that `parts` make one after another, compressed as configured, with `headers` besides the
    /// configured ones, which win. Dropping the future gives the request up.
    pub async fn post(&self, url: &Uri, headers: &HeaderMap, parts: &[Bytes]) -> Result<Response, SendError> {
        let exchange = self.exchange(Method::POST, url, headers, parts);
        self.in_time(exchange).await
    }

    /// Sends a request of any method, otherwise like [`post`](Self::post).
    pub async fn request(
        &self,
        method: Method,
        url: &Uri,
        headers: &HeaderMap,
        parts: &[Bytes],
    ) -> Result<Response, SendError> {
        self.in_time(self.exchange(method, url, headers, parts)).await
    }

    /// Gets what is at a URL.
    ///
    /// # Errors
    /// If the URL is none, or there is no answer.
    pub async fn get(&self, url: &str) -> Result<Response, SendError> {
        let url = url.parse().map_err(|error| SendError::Transport(format!("invalid URL: {error}")))?;
        let headers = HeaderMap::new();
        let exchange = self.exchange(Method::GET, &url, &headers, &[]);
        self.in_time(exchange).await
    }

    async fn in_time(
        &self,
        exchange: impl Future<Output = Result<Response, SendError>>,
    ) -> Result<Response, SendError> {
        match self.shared.settings.timeout {
            Duration::ZERO => exchange.await,
            timeout => tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(SendError::Timeout)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Uri,
        headers: &HeaderMap,
        parts: &[Bytes],
    ) -> Result<Response, SendError> {
        let _place = match &self.shared.in_flight {
            // Never closed.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let mut request = self.prepare(url, headers, parts)?;
        *request.method_mut() = method;
        let mut proof = Proof::default();
        if let Some(authorizer) = &self.authorizer {
            let (mut head, body) = request.into_parts();
            let headers = &mut head.headers;
            let outgoing = Outgoing { method: &head.method, url: &head.uri, headers, body: body.as_slice() };
            proof = authorizer.authorize(outgoing).await?;
            request = http::Request::from_parts(head, body);
        }
        let sent_len = usize::try_from(request.body().len()).unwrap_or(usize::MAX);
        let response = self.pool.request(request).await.map_err(|error| unsent(&error))?;
        let (head, mut body) = response.into_parts();
        if let (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(authorizer)) =
            (head.status, &self.authorizer)
        {
            authorizer.refused(proof).await;
        }
        let max = self.shared.settings.max_response_body_size;
        let mut read = BytesMut::new();
        while read.len() < max {
            let Some(frame) = body.frame().await else { break };
            let frame = frame.map_err(|error| SendError::Transport(chain(&error)))?;
            if let Ok(data) = frame.into_data() {
                read.extend_from_slice(data.get(..max - read.len()).unwrap_or(&data));
            }
        }
        Ok(Response { status: head.status, headers: head.headers, body: read.freeze(), sent_len })
    }

    fn prepare(
        &self,
        url: &Uri,
        headers: &HeaderMap,
        parts: &[Bytes],
    ) -> Result<http::Request<Parts>, SendError> {
        let settings = &self.shared.settings;
        let compressed = match settings.compression.for_http() {
            None => None,
            Some((encoding, name)) => Some((compress(encoding, settings.compression_level, parts)?, name)),
        };
        let name = compressed.as_ref().map(|(_, name)| *name);
        let body = match compressed {
            None => Parts::new(parts.to_vec()),
            Some((compressed, _)) => Parts::new(vec![Bytes::from(compressed)]),
        };
        let mut request = http::Request::new(body);
        *request.uri_mut() = url.clone();
        let target = request.headers_mut();
        *target = headers.clone();
        if let Some(name) = name {
            target.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        for (name, value) in &self.shared.headers {
            target.insert(name.clone(), value.clone());
        }
        if let Some(agent) = &self.shared.user_agent {
            target.entry(USER_AGENT).or_insert_with(|| agent.clone());
        }
        if settings.disable_keep_alives {
            target.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // A proxy reads the requests of plain targets itself.
        if let (Some("http"), Some(host)) = (url.scheme_str(), url.host())
            && let Some(proxy) = self.shared.proxies.for_target(false, host, url.port_u16().unwrap_or(80))
            && let Some(authorization) = &proxy.authorization
            && let Ok(value) = HeaderValue::try_from(authorization)
        {
            target.insert(PROXY_AUTHORIZATION, value);
        }
        Ok(request)
    }
}

fn pool(settings: &Settings, connector: Connector) -> legacy::Client<Connector, Parts> {
    let per_host = match (settings.disable_keep_alives, settings.max_idle_conns_per_host) {
        (true, _) => 0,
        (false, 0) => 100,
        (false, limit) => limit,
    };
    let in_all = if settings.max_idle_conns == 0 { usize::MAX } else { settings.max_idle_conns };
    let optional = |duration: Duration| (!duration.is_zero()).then_some(duration);
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(optional(settings.idle_conn_timeout))
        .pool_max_idle_per_host(per_host.min(in_all))
        .http2_keep_alive_interval(optional(settings.http2_read_idle_timeout))
        .http2_keep_alive_timeout(settings.http2_ping_timeout)
        .build(connector)
}

fn base_headers(settings: &Settings) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        // The reader of the configuration has warned. The Collector takes it, and then fails every request.
        let Ok(key) = HeaderName::try_from(name.as_str()) else { continue };
        let bad = |_| ClientError::Header(name.clone());
        let mut value = HeaderValue::try_from(value.expose()).map_err(bad)?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Why there is no answer: what an error says, by what caused it.
fn unsent(error: &(dyn std::error::Error + 'static)) -> SendError {
    let text = chain(error);
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return SendError::Refused(text),
                std::io::ErrorKind::TimedOut => return SendError::Timeout,
                _ if io.get_ref().is_some_and(|inner| inner.is::<Unresolved>()) => {
                    return SendError::UnknownHost(text);
                }
                _ => {}
            }
        }
        cause = inner.source();
    }
    SendError::Transport(text)
}

/// The error and its causes, which hyper's messages leave out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}
