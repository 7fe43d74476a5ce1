//! Documents become OTLP.
