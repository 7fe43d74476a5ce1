//! The receiver's settings: the Collector's keys and defaults, and a few of ours.

use std::time::Duration;

use config::{Checks, Choice, Fields, Optional, Section, setting_by_choice};
use data::Signal;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is served.
    pub protocols: Protocols,
    /// What happens to text that is not UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// How long a request waits for room in the pipeline before it is refused.
    pub max_wait: Duration,
}

/// What is served; at least one.
#[derive(Clone, Debug)]
pub struct Protocols {
    /// OTLP over gRPC.
    pub grpc: Optional<net::grpc::server::Config>,
    /// OTLP over HTTP.
    pub http: Optional<HttpConfig>,
}

/// OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The server.
    pub server: net::http::server::Config,
    /// Where traces are posted to.
    pub traces_url_path: String,
    /// Where metrics are posted to.
    pub metrics_url_path: String,
    /// Where logs are posted to.
    pub logs_url_path: String,
}

/// What happens to text that is not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidUtf8 {
    /// What is wrong in it becomes U+FFFD, and is counted.
    #[default]
    Replace,
    /// The request is refused.
    Refuse,
}

impl Choice for InvalidUtf8 {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("replace", Self::Replace), ("refuse", Self::Refuse)];
}
setting_by_choice!(InvalidUtf8);

impl From<InvalidUtf8> for otlp::InvalidUtf8 {
    fn from(choice: InvalidUtf8) -> Self {
        match choice {
            InvalidUtf8::Replace => Self::Replace,
            InvalidUtf8::Refuse => Self::Refuse,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            protocols: Protocols::default(),
            invalid_utf8: InvalidUtf8::Replace,
            max_wait: Duration::from_secs(5),
        }
    }
}

impl Default for Protocols {
    fn default() -> Self {
        let mut grpc = net::grpc::server::Config::default();
        "localhost:4317".clone_into(&mut grpc.listen.endpoint);
        Self { grpc: Optional::Default(grpc), http: Optional::Default(HttpConfig::default()) }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        // The Collector sets no limits here either; slow heads and bodies have limits of ours.
        let mut server = net::http::server::Config {
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            ..net::http::server::Config::default()
        };
        "localhost:4318".clone_into(&mut server.listen.endpoint);
        Self {
            server,
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
        }
    }
}

impl HttpConfig {
    /// Path and signal of each; a missing slash at the beginning is added.
    pub(crate) fn paths(&self) -> Vec<(String, Signal)> {
        let paths = [
            (&self.traces_url_path, Signal::Traces),
            (&self.metrics_url_path, Signal::Metrics),
            (&self.logs_url_path, Signal::Logs),
        ];
        paths.map(|(path, signal)| (format!("/{}", path.strip_prefix('/').unwrap_or(path)), signal)).to_vec()
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("protocols", "What is served: `grpc`, `http`, or both.", |c| &mut c.protocols);
        fields.field(
            "invalid_utf8",
            "What happens to text that is not UTF-8: replaced (and counted), or refused. Ours.",
            |c| &mut c.invalid_utf8,
        );
        fields.field(
            "max_wait",
            "How long a request waits for room in the pipeline before it is refused. Ours.",
            |c| &mut c.max_wait,
        );
    }

    fn check(&self, checks: &mut Checks) {
        if self.protocols.grpc.get().is_none() && self.protocols.http.get().is_none() {
            checks.at("protocols", "must specify at least one protocol when using the OTLP receiver");
        }
    }
}

impl Section for Protocols {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("grpc", "OTLP over gRPC.", |c| &mut c.grpc);
        fields.field("http", "OTLP over HTTP, protobuf and JSON.", |c| &mut c.http);
    }
}

/// What Go's `url.Parse` finds wrong with a path.
fn check_url_path(path: &str) -> Result<(), &'static str> {
    if path.chars().any(|c| c.is_ascii_control()) {
        return Err("invalid control character in URL");
    }
    let first = path.split('/').next().unwrap_or_default();
    if first.split_once(':').is_some_and(|(scheme, _)| !scheme.starts_with(|c: char| c.is_ascii_alphabetic()))
    {
        return Err("missing protocol scheme");
    }
    let escapes = path.split('%').skip(1);
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if escapes.into_iter().all(is_escape) { Ok(()) } else { Err("invalid URL escape") }
}

impl Section for HttpConfig {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
        fields.field("traces_url_path", "Where traces are posted to.", |c| &mut c.traces_url_path);
        fields.field("metrics_url_path", "Where metrics are posted to.", |c| &mut c.metrics_url_path);
        fields.field("logs_url_path", "Where logs are posted to.", |c| &mut c.logs_url_path);
    }

    fn check(&self, checks: &mut Checks) {
        for (key, path) in [
            ("traces_url_path", &self.traces_url_path),
            ("metrics_url_path", &self.metrics_url_path),
            ("logs_url_path", &self.logs_url_path),
        ] {
            if let Err(reason) = check_url_path(path) {
                checks.at(key, format!("invalid HTTP URL path set for signal: {reason}"));
            }
        }
    }
}
