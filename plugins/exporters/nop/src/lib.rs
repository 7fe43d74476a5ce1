//! nop exporter
