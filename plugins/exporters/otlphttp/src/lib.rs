//! otlphttp exporter
