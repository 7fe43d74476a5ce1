//! debug exporter
