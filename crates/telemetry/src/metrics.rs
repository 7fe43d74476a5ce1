//! A small typed registry of the collector's own instruments, and their Prometheus exposition.
//!
//! A handle is an atomic: using it takes no lock and allocates nothing. Values that are kept elsewhere (a queue's
//! depth, a node's account) are read when somebody scrapes. What is registered through a [`Scope`] leaves the
//! exposition with it, while counters and histograms keep their values for whoever registers the same series
//! next, so a reload resets nothing.

pub mod bounds;
mod histograms;
mod instruments;
mod levels;
pub mod process;
mod registry;
mod series;
mod text;

pub use histograms::Histograms;
pub use instruments::{Counter, Gauge, Histogram};
pub use levels::MetricsLevel;
pub use registry::{MAX_SERIES_PER_FAMILY, Options, Registry, Scope};

/// Label names with their values; the order does not matter.
pub type Labels<'a> = &'a [(&'static str, String)];

/// The content type of [`Registry::render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
