//! For tests of components: telemetry to feed them, a harness that runs one stage without a network, and the
//! contract that every component keeps. A dev-dependency only.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "test code: a panic is the failure report"
)]

pub mod contract;
pub mod generate;
mod harness;
pub mod settings;
pub mod xray_api;

pub use harness::{Harness, RunHarness, build_cx, extension_node, receiver_node, run_cx};
