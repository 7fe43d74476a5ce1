//! The settings of the second version of the Collector's extension.

use std::time::Duration;

use ::config::{Fields, Section};

/// What is served over HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// The server.
    pub server: net::http::server::Config,
    /// Where the state of the process is.
    pub status: Page,
    /// Where the configuration would be.
    pub config: Page,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Whether it is there.
    pub enabled: bool,
    /// Where.
    pub path: String,
    include_attributes: bool,
    verbose: bool,
}

/// What is served over gRPC.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// The server.
    pub server: net::grpc::server::Config,
}

/// Which errors count; read for its types.
#[derive(Clone, Debug, Default)]
pub(crate) struct ComponentHealth {
    recovery_duration: Duration,
}

impl Default for Http {
    fn default() -> Self {
        let server = crate::config::Config::default().server;
        let page = |enabled, path: &str| Page {
            enabled,
            path: path.to_owned(),
            include_attributes: false,
            verbose: false,
        };
        Self { server, status: page(true, "/status"), config: page(false, "/config") }
    }
}

impl Default for Page {
    fn default() -> Self {
        Http::default().status
    }
}

impl Default for Grpc {
    fn default() -> Self {
        let mut server = net::grpc::server::Config::default();
        "localhost:13132".clone_into(&mut server.listen.endpoint);
        Self { server }
    }
}

impl Section for Http {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
        fields.field("status", "Whether the process has started and is not stopping.", |c| &mut c.status);
        fields
            .field("config", "The configuration.", |c| &mut c.config)
            .not_honoured("it is not served here: see the extension `zpages`");
    }

    /// Only with `use_v2`, which is beside this block.
    fn binds(&self) -> bool {
        false
    }
}

impl Section for Page {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Whether it is there.", |c| &mut c.enabled);
        fields.field("path", "Where it is.", |c| &mut c.path);
        const WHY: &str = "the page tells the state of the process as a whole";
        fields
            .field("include_attributes", "Attributes of components.", |c| &mut c.include_attributes)
            .not_honoured(WHY);
        fields.field("verbose", "The state of each component.", |c| &mut c.verbose).not_honoured(WHY);
    }
}

impl Section for Grpc {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
    }

    /// It is not served.
    fn binds(&self) -> bool {
        false
    }
}

impl Section for ComponentHealth {
    fn describe(fields: &mut Fields<Self>) {
        fields.forgotten::<bool>("include_permanent_errors", "Permanent errors count.");
        fields.forgotten::<bool>("include_recoverable_errors", "Others count, too.");
        fields
            .field("recovery_duration", "How long they may last.", |c| &mut c.recovery_duration)
            .negative_if(|_| true);
    }
}
