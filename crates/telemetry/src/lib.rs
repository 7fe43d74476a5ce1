//! The collector's own metrics and logs.
//!
//! [`metrics`] holds the instruments and writes the Prometheus text, [`admin`] serves it on a thread of its own,
//! so that it answers while the data plane is busy, and [`logs`] writes the lines. Names, labels and formats are
//! those of the OpenTelemetry Collector, so that existing dashboards, alerts and log rules keep working.

pub mod admin;
pub mod logs;
pub mod metrics;
mod resource;

pub use resource::Resource;
