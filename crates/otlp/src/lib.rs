//! OTLP on the wire.

pub mod schema;
pub mod wire;
