//! AWS X-Ray without the network: its ids, its documents, and the way between them and OTLP.
//!
//! - [`ids`]: trace and segment ids in text, and a seeded source of new ones.
//! - [`header`]: the `X-Amzn-Trace-Id` header.
//! - [`names`]: every attribute name that the two translations read or write, once.
//! - [`from_span`]: spans become documents, written straight from the wire into one buffer.
//! - [`to_span`]: documents become OTLP.
//! - [`records`]: what is counted for X-Ray itself.
//! - [`sampling`]: the rules by which X-Ray's SDKs sample.
//! - [`trim`](mod@trim): what is too large for the API is shortened.
//!
//! Nothing here waits, asks the time or reads the environment, and no input makes it panic.

pub mod from_span;
pub mod header;
pub mod ids;
pub mod json;
pub mod names;
pub mod records;
pub mod sampling;
pub mod to_span;
pub mod trim;
