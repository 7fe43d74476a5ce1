//! Sampling as X-Ray's SDKs do it, both sides of it, without network or clock.
//!
//! - [`Rule`], [`Request`], [`wildcard`]: what rules match, and in which order they are asked;
//! - [`mod@file`]: rules in a file, in the SDKs' local form or the API's;
//! - [`Client`]: what an SDK does: reservoirs, borrowing, quotas, reports;
//! - [`Central`]: what the API does: one reservoir for each rule, shared by all clients.
//!
//! Times are [`Duration`](std::time::Duration)s since the Unix epoch, and chance is passed in.

mod central;
mod client;
pub mod file;
mod fuzz;
mod messages;
mod rule;
mod share;

pub use central::{Central, INTERVAL, MAX_CLIENTS, MAX_STATISTICS, QUOTA_TTL};
pub use client::{Client, Decision, Statistics, Target};
pub use fuzz::fuzz_sampling;
pub use messages::{ApiError, Call, MAX_REQUEST, Operation};
pub use rule::{DEFAULT_PRIORITY, DEFAULT_RULE, Request, Rule, wildcard};
