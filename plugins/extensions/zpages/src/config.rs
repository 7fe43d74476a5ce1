//! The settings: the Collector's.

use std::time::Duration;

use ::config::{Checks, Fields, Section};

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: net::http::server::Config,
    /// The Collector's page of its runtime's variables; not here.
    pub expvar: Expvar,
}

/// The Collector's page of its runtime's variables.
#[derive(Clone, Debug, Default)]
pub struct Expvar {
    enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        let mut server = net::http::server::Config::default();
        "localhost:55679".clone_into(&mut server.listen.endpoint);
        server.listen.max_connections = 256;
        // Few places: idle connections, which HTTP/2 keeps, must not hold them for long.
        server.idle_timeout = Duration::from_secs(10);
        Self { server, expvar: Expvar::default() }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
        fields.field("expvar", "A page of the runtime's variables.", |c| &mut c.expvar);
    }

    fn check(&self, checks: &mut Checks) {
        if self.server.listen.endpoint.is_empty() {
            checks.at("endpoint", "\"endpoint\" is required when using the \"zpages\" extension");
        }
    }
}

impl Section for Expvar {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("enabled", "Whether it is served.", |c| &mut c.enabled)
            .not_honoured("those are Go's; the pages say what there is, and own metrics have the rest");
    }
}
