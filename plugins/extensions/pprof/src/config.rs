//! The settings: the Collector's.

use std::time::Duration;

use ::config::{Checks, Fields, Section};

const GO_ONLY: &str = "there is no Go runtime to record it";

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: net::http::server::Config,
    /// Where a CPU profile of the whole run is saved at the end; empty for none.
    pub save_to_file: String,
    /// KiB between two samples of the heap, on average; 0 for none.
    pub heap_sample_interval_kib: u32,
    block_profile_fraction: i64,
    mutex_profile_fraction: i64,
    dialer: Dialer,
}

/// Of clients; the Collector takes it here, too.
#[derive(Clone, Debug, Default)]
struct Dialer {
    timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let mut server = net::http::server::Config::default();
        "localhost:1777".clone_into(&mut server.listen.endpoint);
        server.listen.max_connections = 64;
        // Few places: idle connections, which HTTP/2 keeps, must not hold them for long.
        server.idle_timeout = Duration::from_secs(10);
        Self {
            server,
            save_to_file: String::new(),
            heap_sample_interval_kib: 512,
            block_profile_fraction: 0,
            mutex_profile_fraction: 0,
            dialer: Dialer::default(),
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.server);
        let doc = "A file for a CPU profile of the whole run, written at the end; none if it is empty.";
        fields.field("save_to_file", doc, |c| &mut c.save_to_file);
        let doc = "KiB of allocations between two samples of the heap, on average; 0 takes none. Ours.";
        fields.field("heap_sample_interval_kib", doc, |c| &mut c.heap_sample_interval_kib);
        fields
            .field("block_profile_fraction", "Share of blocking events to record.", |c| {
                &mut c.block_profile_fraction
            })
            .not_honoured(GO_ONLY);
        fields
            .field("mutex_profile_fraction", "Share of contended locks to record.", |c| {
                &mut c.mutex_profile_fraction
            })
            .not_honoured(GO_ONLY);
        fields.field("dialer", "For clients.", |c| &mut c.dialer);
    }

    fn check(&self, checks: &mut Checks) {
        if self.server.listen.endpoint.is_empty() {
            checks.warn("endpoint", "without an endpoint it listens on some port of every interface");
        }
    }
}

impl Section for Dialer {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("timeout", "For connecting.", |c| &mut c.timeout)
            .not_honoured("a server does not connect");
    }
}
