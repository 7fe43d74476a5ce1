//! What wraps every exporter, written once: queue, batching, retry, timeout, splitting, concurrency, books.
//!
//! An exporter delivers one batch when asked; everything with state is here. A batch ends in exactly one way:
//! delivered, refused for good, given up after the last retry, or left when time was up; each is a line in the
//! account of the exporter's node.

mod accumulator;
mod attempt;
mod backoff;
mod joining;
mod metrics;
mod place;
mod room;
mod settings;
mod stage;

pub use accumulator::{Accumulator, Thresholds};
pub use settings::{QueueAndRetry, QueueBatch, QueueSizer, Retry, SendingQueue, Settings};
pub use stage::unit;

#[cfg(test)]
mod tests;
