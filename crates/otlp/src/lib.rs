//! OTLP on the wire.

pub mod schema;
