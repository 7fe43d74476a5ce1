//! End-to-end tests of the real binary: processes, clients and servers to test it with.
//!
//! Nothing here shares code with what it tests: the clients speak HTTP/2 frames and raw sockets, what arrives is read
//! with the generated types of `opentelemetry-proto`, and the SDKs of other languages are run as they are published.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "test code: a panic is the failure report"
)]

pub mod account;
pub mod aws;
mod binary;
mod collector;
pub mod config;
pub mod exposition;
pub mod grpc;
pub mod http;
pub mod neighbour;
pub mod otlp_json;
pub mod prometheus;
pub mod relay;
pub mod sdk;
pub mod tls;
mod upstream;
pub mod xray;

use std::time::{Duration, Instant};

pub use binary::path as binary;
pub use collector::{Collector, Ended, Signal, validate};
pub use upstream::{Reply, Upstream, span_ids};

/// Longest time for anything to happen. Generous: it is there to end a broken run, not to measure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `done` gives something; panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = done() {
            return result;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs one of the scripts of this crate that install what tests need, with its argument if it takes one.
///
/// # Errors
/// What the script says.
pub fn set_up_with(script: &str) -> Result<(), String> {
    let (script, argument) = script.split_once(' ').map_or((script, None), |(it, rest)| (it, Some(rest)));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = std::process::Command::new("sh").arg(script).args(argument).output();
    let output = output.map_err(|error| format!("no shell: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ")),
    }
}

/// A test that can't run here says so, or fails where everything must run (`COLLIMATOR_REQUIRE_ALL=1`).
pub fn skip(why: &str) {
    assert!(std::env::var_os("COLLIMATOR_REQUIRE_ALL").is_none(), "cannot run, although it must: {why}");
    let line = format!("SKIPPED: {why}\n");
    // Written past the test harness, which hides what passing tests print.
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}
