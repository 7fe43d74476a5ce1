//! file exporter
