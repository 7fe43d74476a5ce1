//! Signed requests over our HTTP client, and what AWS says about them.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use component::Environment;
use config::Secret;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use net::http::client::{self as http_client, SendError};
use net::tls;

use crate::credentials::{CredentialsError, Held};
use crate::sign::{Keys, Scope, SignError, hex, sign};
use crate::skew::Skew;
use crate::{Body, Credentials, Session};

/// Silence of an HTTP/2 connection after which it is pinged while calls wait, and the time that the answer may take. What
/// died without a word (a gateway forgot it, its other end lost power) would otherwise be used until the kernel gives up,
/// a quarter of an hour later. The X-Ray daemon's values.
pub(crate) const HTTP2_SILENCE: Duration = Duration::from_secs(1);
pub(crate) const HTTP2_PING: Duration = Duration::from_secs(2);

/// How requests are sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a whole request; zero is no limit.
    pub timeout: Duration,
    /// A proxy for every request; empty leaves it to the environment.
    pub proxy_address: String,
    /// TLS to the service.
    pub tls: tls::ClientSettings,
    /// Accept any certificate of the service, whatever `tls` says.
    pub no_verify_ssl: bool,
    /// Idle connections kept; 0 is 100.
    pub max_idle_conns: usize,
    /// How long a connection may be idle.
    pub idle_conn_timeout: Duration,
    /// What we call ourselves; empty is the usual name.
    pub user_agent: String,
    /// What is read of an answer; the rest is ignored.
    pub max_response_body_size: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            proxy_address: String::new(),
            tls: tls::ClientSettings::default(),
            no_verify_ssl: false,
            max_idle_conns: 0,
            idle_conn_timeout: Duration::from_secs(90),
            user_agent: String::new(),
            max_response_body_size: 4 << 20,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody to sign for.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The request can't be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The path makes no URL.
    #[error("invalid path {0:?}")]
    Path(String),
    /// It could not be sent, or no answer came.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What went wrong, if the status is none of success.
    pub error: Option<ApiError>,
}

impl Answer {
    /// The error's name; empty if there is none.
    fn code(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.code)
    }
}

/// Bytes that are kept of an error's code and of its message: who refuses a call keeps them for each document of it.
const MAX_TEXT: usize = 1 << 10;

/// An error as AWS tells it, each part at most 1 KiB of it. Both are empty where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// Its name, such as `ThrottledException`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Sends signed requests to one service. Clones share connections, credentials, and what is known of the service's clock.
#[derive(Clone)]
pub struct Client {
    http: http_client::Client,
    session: Session,
    keys: Arc<Keys>,
    skew: Arc<Skew>,
}

impl Client {
    /// Makes a client. Connections are made when needed.
    ///
    /// # Errors
    /// If proxy or TLS can't be set up.
    pub fn new(
        session: Session,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Self, http_client::ClientError> {
        let mut headers = Vec::new();
        if !settings.user_agent.is_empty() {
            headers.push(("User-Agent".to_owned(), Secret::new(settings.user_agent.clone())));
        }
        let settings = http_client::Settings {
            proxy_url: settings.proxy_address.clone(),
            tls: tls::ClientSettings {
                insecure_skip_verify: settings.no_verify_ssl || settings.tls.insecure_skip_verify,
                ..settings.tls.clone()
            },
            timeout: settings.timeout,
            headers,
            max_idle_conns_per_host: settings.max_idle_conns,
            idle_conn_timeout: settings.idle_conn_timeout,
            max_response_body_size: settings.max_response_body_size,
            http2_read_idle_timeout: HTTP2_SILENCE,
            http2_ping_timeout: HTTP2_PING,
            ..http_client::Settings::default()
        };
        let proxies = net::proxy::Environment::from_variables(|name| environment.get(name));
        Ok(Self {
            http: http_client::Client::new(settings, &proxies)?,
            session,
            keys: Arc::default(),
            skew: Arc::default(),
        })
    }

    /// Who sends, and where to.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Posts JSON to a path of the service, signed, with `headers` besides; those named `x-amz…` are signed, too. If the
    /// credentials are refused and others can be had, it is sent once more with those; if our clock is wrong, once more with
    /// the service's time.
    ///
    /// # Errors
    /// If there is no answer. An answer that is an error is none of these.
    pub async fn post(
        &self,
        path: &str,
        mut headers: HeaderMap,
        body: &Body,
        now: SystemTime,
    ) -> Result<Answer, ClientError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, path, headers, body, now).await
    }

    /// Sends any request, in the same way.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &Body,
        now: SystemTime,
    ) -> Result<Answer, ClientError> {
        let url = self.session.endpoint.url(path).map_err(|_| ClientError::Path(path.to_owned()))?;
        let (credentials, begun) = (&self.session.credentials, Instant::now());
        let held = credentials.get(now).await?;
        let signed = self.skew.correct(now);
        let mut answer = self.once(&method, &url, headers.clone(), body, &held, signed).await?;
        let later = now.checked_add(begun.elapsed()).unwrap_or(now);
        if self.skew.learn(answer.code(), &answer.headers, signed, later) {
            answer = self.once(&method, &url, headers.clone(), body, &held, self.skew.correct(later)).await?;
        }
        if answer.status != StatusCode::FORBIDDEN && !is_about_credentials(answer.code()) {
            return Ok(answer);
        }
        match renewed(credentials, &held, now).await {
            Some(held) => self.once(&method, &url, headers, body, &held, self.skew.correct(later)).await,
            None => Ok(answer),
        }
    }

    async fn once(
        &self,
        method: &Method,
        url: &Uri,
        mut headers: HeaderMap,
        body: &Body,
        held: &Held,
        time: SystemTime,
    ) -> Result<Answer, ClientError> {
        let scope = Scope { region: &self.session.region, service: &self.session.service, time };
        sign(method, url, &mut headers, hex(body.hash()), held, scope, &self.keys)?;
        let response = self.http.request(method.clone(), url, &headers, from_ref(body.bytes())).await?;
        let error =
            (!response.status.is_success()).then(|| ApiError::read(&response.headers, &response.body));
        Ok(Answer { status: response.status, headers: response.headers, body: response.body, error })
    }
}

/// Whether an error's code says that credentials or a signature are no good, or no longer, whatever the status.
///
/// Source: the error codes that are common to AWS's services.
#[must_use]
pub fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

/// Other credentials than the ones that were refused, if there are any.
async fn renewed(credentials: &Credentials, refused: &Held, now: SystemTime) -> Option<Held> {
    if !credentials.forget(refused.fetch, now).await {
        return None;
    }
    credentials.get(now).await.ok().filter(|held| !held.is_same(refused))
}

impl ApiError {
    /// The error in an answer of the REST-JSON protocol: its code in the header `X-Amzn-ErrorType`, or in the body as
    /// `__type` or `code`; a namespace before it and a URL behind it are left out.
    #[must_use]
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
        let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let code = header.or_else(|| text("__type")).or_else(|| text("code")).unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().trim();
        let message = text("message").or_else(|| text("Message")).unwrap_or_default();
        Self { code: cut(code), message: cut(message) }
    }
}

/// At most [`MAX_TEXT`] bytes of a text.
fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text).to_owned()
}

/// What X-Ray's clients call themselves besides their product, which AWS counts them by: `exec-env/… OS/linux-amd64`.
#[must_use]
pub fn platform(environment: &Environment) -> String {
    let named = environment.get("AWS_EXECUTION_ENV").filter(|name| !name.is_empty()).unwrap_or("UNKNOWN");
    // A header's value: whatever else the variable holds is no name of an environment.
    let clean: String = named.chars().filter(char::is_ascii_graphic).take(100).collect();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("exec-env/{clean} OS/{}-{arch}", std::env::consts::OS)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
