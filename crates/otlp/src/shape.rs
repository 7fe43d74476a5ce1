//! The way from a request down to its items, which counting, cutting and editing share.
//!
//! ```text
//! request ─ resource ─ scope ─ item                      traces, logs
//! request ─ resource ─ scope ─ metric ─ data ─ item      metrics; data is gauge, sum, histogram …
//! ```

use crate::Signal;
use crate::wire::Fields;

/// A message on that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Request,
    Resource,
    Scope,
    Metric,
    Data,
    Item,
}

impl Shape {
    /// The next message on the way, if the field leads there.
    #[inline]
    pub(crate) fn child(self, signal: Signal, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::Request, 1) => Some(Self::Resource),
            (Self::Resource, 2) => Some(Self::Scope),
            (Self::Scope, 2) if signal == Signal::Metrics => Some(Self::Metric),
            (Self::Scope, 2) => Some(Self::Item),
            (Self::Metric, 5 | 7 | 9 | 10 | 11) => Some(Self::Data),
            (Self::Data, 1) => Some(Self::Item),
            _ => None,
        }
    }
}

/// How many items a message holds.
pub(crate) fn count_in(signal: Signal, shape: Shape, bytes: &[u8]) -> usize {
    if shape == Shape::Item {
        return 1;
    }
    Fields::new(bytes)
        .filter_map(|field| Some(count_in(signal, shape.child(signal, field.number)?, field.bytes()?)))
        .sum()
}

/// How many spans, data points or log records checked bytes hold.
#[must_use]
pub fn count(signal: Signal, bytes: &[u8]) -> usize {
    count_in(signal, Shape::Request, bytes)
}
