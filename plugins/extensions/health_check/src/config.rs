//! The settings: the Collector's keys and defaults, and two of ours.

use std::time::Duration;

use ::config::{Checks, Fields, Optional, Section};

use crate::second::{ComponentHealth, Grpc, Http};

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: net::http::server::Config,
    /// Where the Collector's answer is; `/` is every path but ours.
    pub path: String,
    /// Bodies in place of the Collector's.
    pub response_body: Optional<ResponseBody>,
    /// Ignored, as by the Collector.
    pub check_collector_pipeline: CheckCollectorPipeline,
    /// Whether `http` says what is served, and not the keys beside it.
    pub use_v2: bool,
    /// What the second version of the Collector's extension serves over HTTP.
    pub http: Option<Http>,
    /// What it serves over gRPC; not here.
    pub grpc: Option<Grpc>,
    /// A worker that runs nothing for so long makes `/live` fail.
    pub silent_after: Duration,
    /// An exporter that has something and delivers nothing for so long makes `/ready` fail; zero never.
    pub stalled_after: Duration,
}

/// Bodies in place of the Collector's.
#[derive(Clone, Debug, Default)]
pub struct ResponseBody {
    /// When all is well.
    pub healthy: String,
    /// When it is not.
    pub unhealthy: String,
}

/// A check that the Collector no longer makes.
#[derive(Clone, Debug)]
pub struct CheckCollectorPipeline {
    enabled: bool,
    interval: Duration,
    exporter_failure_threshold: i64,
}

impl Default for Config {
    fn default() -> Self {
        let mut server = net::http::server::Config {
            // The Collector has no limits here; heads and idle connections have ours.
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            // Probes come anew each time; HTTP/2 would keep its connections.
            idle_timeout: Duration::from_secs(10),
            keep_alives_enabled: false,
            handshake_timeout: Duration::from_secs(10),
            ..net::http::server::Config::default()
        };
        "localhost:13133".clone_into(&mut server.listen.endpoint);
        server.listen.max_connections = 256;
        Self {
            server,
            path: "/".to_owned(),
            response_body: Optional::None,
            check_collector_pipeline: CheckCollectorPipeline::default(),
            use_v2: false,
            http: None,
            grpc: None,
            silent_after: Duration::from_secs(10),
            stalled_after: Duration::from_secs(300),
        }
    }
}

impl Default for CheckCollectorPipeline {
    fn default() -> Self {
        Self { enabled: false, interval: Duration::from_secs(300), exporter_failure_threshold: 5 }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
        fields.field(
            "path",
            "Where the Collector's answer is; `/` is every path but `/live` and `/ready`.",
            |c| &mut c.path,
        );
        fields.field("response_body", "Bodies in place of the Collector's.", |c| &mut c.response_body);
        fields.field("check_collector_pipeline", "A check that the Collector no longer makes either.", |c| {
            &mut c.check_collector_pipeline
        });
        let doc = "A worker thread that runs nothing for so long makes `/live` fail. Ours.";
        fields.field("silent_after", doc, |c| &mut c.silent_after).at_least(Duration::from_secs(2));
        let doc = "An exporter that has data and delivers none of it for so long makes `/ready` fail; 0 never. Ours.";
        fields.field("stalled_after", doc, |c| &mut c.stalled_after);
        let doc = "Serve what `http` says, as the second version of the Collector's extension does.";
        fields.field("use_v2", doc, |c| &mut c.use_v2);
        let doc = "The HTTP service of that version; used with `use_v2`.";
        fields.field("http", doc, |c| &mut c.http).null_is_absent();
        fields
            .field("grpc", "Its gRPC service.", |c| &mut c.grpc)
            .null_is_absent()
            .not_honoured("health is not served over gRPC: probe `/ready` over HTTP");
        let why = "`/ready` watches exporters in its own way";
        fields.ignored::<ComponentHealth>("component_health", "Which errors make it unhealthy.", why);
        fields.without("auth");
        let why = "as in the Collector, everyone is answered";
        fields.ignored::<Auth>("auth", "Extension that authenticates callers.", why);
    }

    fn binds(&self) -> bool {
        !self.use_v2
    }

    fn check(&self, checks: &mut Checks) {
        if self.use_v2 {
            return self.check_second(checks);
        }
        if self.http.is_some() {
            checks.warn("http", "`http` has no effect without `use_v2: true`");
        }
        if self.server.listen.endpoint.is_empty() {
            checks.at("endpoint", "bad config: endpoint must be specified");
        }
        if !self.path.starts_with('/') {
            checks.at("path", "bad config: path must start with /");
        }
    }
}

impl Config {
    fn check_second(&self, checks: &mut Checks) {
        if self.http.is_none() && self.grpc.is_none() {
            checks.at("use_v2", "must specify at least one protocol");
        }
        if self.grpc.as_ref().is_some_and(|grpc| grpc.server.listen.endpoint.is_empty()) {
            checks.at("grpc.endpoint", "grpc endpoint required");
        }
        let Some(http) = &self.http else { return };
        let listen = &http.server.listen;
        if listen.endpoint.is_empty() {
            checks.at("http.endpoint", "http endpoint required");
        }
        checks.listens("http.endpoint", listen.transport.to_string(), listen.endpoint.as_str());
        for (key, page) in [("http.status.path", &http.status), ("http.config.path", &http.config)] {
            if page.enabled && !page.path.starts_with('/') {
                checks.at(key, "path must start with /");
            }
        }
    }

    /// The server that is started; none if the second version serves only what is not here.
    pub(crate) fn server(&self) -> Option<&net::http::server::Config> {
        match &self.http {
            _ if !self.use_v2 => Some(&self.server),
            Some(http) => Some(&http.server),
            None => None,
        }
    }
}

/// `auth:`, read for its types.
#[derive(Clone, Default)]
struct Auth;

impl Section for Auth {
    fn describe(fields: &mut Fields<Self>) {
        fields.forgotten::<Option<String>>("authenticator", "Id of the extension.");
        fields.forgotten::<Vec<String>>("request_params", "Parameters that it sees.");
    }
}

impl Section for ResponseBody {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("healthy", "The body when all is well.", |c| &mut c.healthy);
        fields.field("unhealthy", "The body when it is not.", |c| &mut c.unhealthy);
    }
}

impl Section for CheckCollectorPipeline {
    fn describe(fields: &mut Fields<Self>) {
        const IGNORED: &str = "the Collector ignores it, too; `/ready` watches exporters";
        fields.field("enabled", "Whether exporters are watched.", |c| &mut c.enabled).not_honoured(IGNORED);
        fields
            .field("interval", "For how long failures count.", |c| &mut c.interval)
            .negative_is(Duration::ZERO, "none")
            .not_honoured(IGNORED);
        fields
            .field("exporter_failure_threshold", "How many failures count.", |c| {
                &mut c.exporter_failure_threshold
            })
            .not_honoured(IGNORED);
    }

    fn check(&self, checks: &mut Checks) {
        if self.exporter_failure_threshold <= 0 {
            let message = "bad config: exporter_failure_threshold expects a positive number";
            checks.at("exporter_failure_threshold", message);
        }
    }
}
