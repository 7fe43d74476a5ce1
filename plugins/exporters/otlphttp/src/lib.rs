//! `otlp_http` (formerly `otlphttp`): sends to an OTLP server over HTTP, as protobuf or JSON.

mod auth;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use component::{
    Accepted, BoxError, BuildCx, BuildError, Component, Exporter, Kind, Progress, RunCx, Spec, Stability,
    Stage,
};
use config::{Checks, Choice, ComponentId, Fields, Section, setting_by_choice};
use data::{Batch, Clock, Code, Refusal, Refused, Signal};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Uri};
use net::compression::Compression;
use net::http::client::{Client, Config as ClientConfig, Response, SendError, Settings};
use net::proxy::Environment;
use net::status::{code_from_http, decode_rpc_status, is_retryable_http, parse_retry_after};
use otlp::response::PartialSuccess;
use telemetry::metrics::{Histograms, bounds};
use tokio::time::Instant;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<OtlpHttp>(Kind::Exporter, "otlp_http", "Sends to an OTLP server over HTTP")
        .formerly(&["otlphttp"])
        .stability(Stability::Beta);

/// Exports at once when there is no queue to say how many.
const UNQUEUED_CONCURRENCY: usize = 64;

/// Settings; the Collector's keys and defaults.
#[derive(Clone, Debug)]
pub struct Config {
    client: ClientConfig,
    traces_endpoint: String,
    metrics_endpoint: String,
    logs_endpoint: String,
    profiles_endpoint: String,
    encoding: Encoding,
    delivery: delivery::QueueAndRetry,
}

/// How a request's body is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    #[default]
    Proto,
    /// OTLP's JSON form.
    Json,
}

impl Choice for Encoding {
    const SPELLINGS: &'static [(&'static str, Self)] = &[("proto", Self::Proto), ("json", Self::Json)];
}
setting_by_choice!(Encoding);

impl Default for Config {
    fn default() -> Self {
        let timeout = Duration::from_secs(30);
        Self {
            client: ClientConfig { compression: Compression::Gzip, timeout, ..ClientConfig::default() },
            traces_endpoint: String::new(),
            metrics_endpoint: String::new(),
            logs_endpoint: String::new(),
            profiles_endpoint: String::new(),
            encoding: Encoding::Proto,
            delivery: delivery::QueueAndRetry::default(),
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.client);
        fields
            .field("traces_endpoint", "Full URL for traces, instead of endpoint + /v1/traces.", |c| {
                &mut c.traces_endpoint
            })
            .url();
        fields
            .field("metrics_endpoint", "Full URL for metrics, instead of endpoint + /v1/metrics.", |c| {
                &mut c.metrics_endpoint
            })
            .url();
        fields
            .field("logs_endpoint", "Full URL for logs, instead of endpoint + /v1/logs.", |c| {
                &mut c.logs_endpoint
            })
            .url();
        fields
            .field("profiles_endpoint", "Full URL for profiles.", |c| &mut c.profiles_endpoint)
            .url()
            .not_honoured("profiles are not carried");
        // The Collector takes it without a value, and then fails at every request.
        fields.field("encoding", "How bodies are encoded.", |c| &mut c.encoding).null_is_absent();
        fields.flatten(|c| &mut c.delivery);
    }

    fn check(&self, checks: &mut Checks) {
        let endpoints = [
            ("endpoint", &self.client.endpoint),
            ("traces_endpoint", &self.traces_endpoint),
            ("metrics_endpoint", &self.metrics_endpoint),
            ("logs_endpoint", &self.logs_endpoint),
            ("profiles_endpoint", &self.profiles_endpoint),
        ];
        if endpoints.iter().all(|(_, endpoint)| endpoint.is_empty()) {
            checks.at("", "at least one endpoint must be specified");
        }
        for (key, endpoint) in endpoints.into_iter().filter(|(_, endpoint)| !endpoint.is_empty()) {
            match (net::url::check(endpoint), parse_url(endpoint)) {
                (Err(error), _) => checks.when_built(key, format!("{key} must be a valid URL: {error}")),
                (_, Err(reason)) => checks.warn(key, format!("{reason}: every request will fail")),
                (_, Ok(_)) => {}
            }
        }
    }
}

/// Where a signal goes: a URL, or why there can be no requests to what was configured.
type Place = Result<Uri, String>;

/// The exporter.
pub struct OtlpHttp {
    settings: Settings,
    environment: Environment,
    /// By signal; none where nothing is configured.
    urls: [Option<Place>; Signal::ALL.len()],
    encoding: Encoding,
    /// The extension that authorizes requests.
    authenticator: Option<ComponentId>,
    started: OnceLock<Started>,
}

struct Started {
    client: Client,
    clock: std::sync::Arc<dyn Clock>,
    /// How long requests take, by their outcome, and how large they are; at level `detailed`.
    duration: Histograms,
    size: Histograms,
}

impl Component for OtlpHttp {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let urls = urls(config);
        let without = |signal: &Signal| urls.get(*signal as usize).is_some_and(Option::is_none);
        if let Some(signal) = cx.signals.iter().find(without) {
            let message = format!("either endpoint or {signal}_endpoint must be specified");
            return Err(BuildError::at("", message));
        }
        let exporter = Self {
            settings: config.client.settings(),
            environment: Environment::from_variables(|name| cx.environment.get(name)),
            urls,
            encoding: config.encoding,
            authenticator: config.client.auth.authenticator.clone(),
            started: OnceLock::new(),
        };
        // The HTTP client has the timeout.
        let settings = config.delivery.clone().with_timeout(Duration::ZERO);
        Ok(Stage::Exporter(delivery::unit(exporter, settings, UNQUEUED_CONCURRENCY)))
    }
}

impl Exporter for OtlpHttp {
    type Memory = ();

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        let mut client = Client::new(self.settings.clone(), &self.environment)?;
        if let Some(id) = &self.authenticator {
            client = client.authorized(auth::authorizer(id, &cx.process)?);
        }
        let clock = std::sync::Arc::clone(&cx.clock);
        let name = "http_client_request_duration";
        let help = "Duration of HTTP client requests [Development]";
        let duration = Histograms::new(&cx.meters, name, help, "s", bounds::DURATION_SECONDS);
        let name = "http_client_request_body_size";
        let help = "Size of HTTP client request bodies, before compression [Development]";
        let size = Histograms::new(&cx.meters, name, help, "By", bounds::SIZE_BYTES);
        self.started.get_or_init(|| Started { client, clock, duration, size });
        Ok(())
    }

    fn destination(&self, signal: Signal) -> Vec<(&'static str, String)> {
        let Some(Some(Ok(url))) = self.urls.get(signal as usize) else { return Vec::new() };
        let mut labels = server(url);
        labels.push(("url_path", url.path().to_owned()));
        labels
    }

    async fn export(&self, batch: &Batch, _progress: &mut Progress<()>) -> Result<Accepted, Refused> {
        let Some(started) = self.started.get() else { return Err(Refused::retry("not started")) };
        let url = match self.urls.get(batch.signal() as usize) {
            Some(Some(Ok(url))) => url,
            Some(Some(Err(reason))) => return Err(Refused::permanent(Code::InvalidArgument, reason.clone())),
            Some(None) | None => {
                let message = format!("no endpoint is configured for {}", batch.signal());
                return Err(Refused::permanent(Code::Unimplemented, message));
            }
        };
        let mut headers = HeaderMap::new();
        let (content_type, body) = self.encode(batch);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let began = Instant::now();
        let answer = started.client.post(url, &headers, &body).await;
        started.observe(url, &answer, began, &body);
        match answer {
            Ok(response) if response.status.is_success() => Ok(self.accepted(&response.body)),
            Ok(response) => Err(refused(url, &response, started.clock.now().wall)),
            Err(error @ SendError::Timeout) => {
                Err(Refused { code: Code::DeadlineExceeded, ..Refused::retry(error.to_string()) })
            }
            Err(error) => Err(Refused::retry(format!("request to {}: {error}", shown(url)))),
        }
    }
}

impl Started {
    #[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
    fn observe(&self, url: &Uri, answer: &Result<Response, SendError>, began: Instant, body: &[Bytes]) {
        if !self.duration.is_on() {
            return;
        }
        let mut labels = server(url);
        labels.push(("http_request_method", "POST".to_owned()));
        labels.push(match answer {
            Ok(response) => ("http_response_status_code", response.status.as_u16().to_string()),
            Err(SendError::Timeout) => ("error_type", "timeout".to_owned()),
            Err(_) => ("error_type", "_OTHER".to_owned()),
        });
        self.duration.observe(&labels, began.elapsed().as_secs_f64());
        self.size.observe(&labels, body.iter().map(Bytes::len).sum::<usize>() as f64);
    }
}

/// Labels of where a URL leads.
fn server(url: &Uri) -> Vec<(&'static str, String)> {
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    vec![
        ("server_address", url.host().unwrap_or_default().to_owned()),
        ("server_port", url.port_u16().unwrap_or(usual).to_string()),
    ]
}

impl OtlpHttp {
    fn encode(&self, batch: &Batch) -> (&'static str, Vec<Bytes>) {
        let parts: Vec<Bytes> = batch.chunks().cloned().collect();
        match (self.encoding, otlp::batch::otlp_signal(batch.signal())) {
            (Encoding::Json, Some(signal)) => {
                let mut json = Vec::new();
                otlp_json::write_parts(signal.schema(), &parts, &mut json);
                ("application/json", vec![json.into()])
            }
            _ => ("application/x-protobuf", parts),
        }
    }

    fn accepted(&self, body: &[u8]) -> Accepted {
        let partial = match self.encoding {
            Encoding::Proto => otlp::response::decode(body),
            Encoding::Json => otlp_json::read_response(body),
        };
        let said_something = partial != PartialSuccess::default();
        Accepted { rejected: said_something.then_some((partial.rejected, partial.message)) }
    }
}

/// Where each signal goes; none where nothing is configured.
fn urls(config: &Config) -> [Option<Place>; Signal::ALL.len()] {
    let mut urls = [const { None }; Signal::ALL.len()];
    for (signal, full) in [
        (Signal::Traces, &config.traces_endpoint),
        (Signal::Metrics, &config.metrics_endpoint),
        (Signal::Logs, &config.logs_endpoint),
    ] {
        let url = match (full.is_empty(), config.client.endpoint.is_empty()) {
            (false, _) => full.clone(),
            (true, false) => format!("{}/v1/{signal}", config.client.endpoint.trim_end_matches('/')),
            (true, true) => continue,
        };
        urls[signal as usize] = Some(parse_url(&url));
    }
    urls
}

/// A URL for people to read: without user, password and query, which may be secrets.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("http");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", url.path())
}

/// What an answer other than success means for the batch.
fn refused(url: &Uri, response: &Response, wall: u64) -> Refused {
    let status = response.status.as_u16();
    let details = decode_rpc_status(&response.body).map(|status| status.message().to_owned());
    let details = details.filter(|message| !message.is_empty());
    let mut message =
        format!("error exporting items, request to {} responded with HTTP Status Code {status}", shown(url));
    if let Some(details) = &details {
        message.push_str(", Message=");
        message.push_str(details);
    }
    let text = details.unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned());
    let too_large = status == 413 || (status == 400 && text.contains("request body too large"));
    let refusal = if too_large {
        Refusal::TooLarge
    } else if is_retryable_http(status) {
        let now: SystemTime = UNIX_EPOCH + Duration::from_nanos(wall);
        let after = response.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Refusal::Retry { after: after.and_then(|value| parse_retry_after(value, now)) }
    } else {
        Refusal::Permanent
    };
    let code = Code::from_number(code_from_http(status) as i32);
    Refused { refusal, code, message: message.into() }
}

/// A URL that requests can be sent to.
fn parse_url(text: &str) -> Place {
    let shown = net::url::without_secrets(text);
    let url: Uri = match text.parse() {
        Ok(url) => url,
        Err(_) if !text.contains("://") => {
            return Err(format!("\"{shown}\" does not begin with http:// or https://"));
        }
        Err(error) => return Err(format!("\"{shown}\" is not a URL: {error}")),
    };
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        (Some("http" | "https"), None) => Err(format!("\"{shown}\" has no host")),
        _ => Err(format!("\"{shown}\" does not begin with http:// or https://")),
    }
}

#[cfg(test)]
mod tests;
