//! Sampling as X-Ray's SDKs do it, both sides of it, without network or clock.
//!
//! - [`Rule`], [`Request`], [`wildcard`]: what rules match, and in which order they are asked;
//! - [`mod@file`]: rules in a file, in the SDKs' local form or the API's;
//! - [`Client`]: what an SDK does: reservoirs, borrowing, quotas, reports; whoever answers clients is tested with fleets of it;
//! - [`Central`]: what the API does: one reservoir for each rule, shared by all clients.
//!
//! Time and chance are passed in.

mod central;
mod client;
pub mod file;
mod fuzz;
mod messages;
mod rule;
mod share;

pub use central::{Central, INTERVAL, MAX_CLIENTS, MAX_LEASES, MAX_STATISTICS, Now, QUOTA_TTL};
pub use client::{Client, Decision, Statistics, Target};
pub use fuzz::fuzz_sampling;
pub use messages::{ApiError, Call, MAX_REQUEST, Operation};
pub use rule::{DEFAULT_PRIORITY, DEFAULT_RULE, Request, Rule, wildcard};
