//! Joining small batches and cutting large ones.

use std::sync::Arc;

use component::Sizer;
use data::{Batch, Budget};
use otlp::batch::{PieceSize, chunk};

/// When a batch is large enough, and when too large. Zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// What the sizes count.
    pub sizer: Sizer,
    /// At this size a batch is complete.
    pub min_size: usize,
    /// No batch is larger than this, unless a single item is.
    pub max_size: usize,
}

/// Batches of one context that wait to be joined.
#[derive(Debug, Default)]
pub struct Accumulator {
    batch: Option<Batch>,
    size: usize,
}

impl Accumulator {
    /// Items inside.
    #[must_use]
    pub fn items(&self) -> usize {
        self.batch.as_ref().map_or(0, Batch::items)
    }

    /// Whether nothing waits. A batch of no items is something: its ticket wants an answer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.batch.is_none()
    }

    /// Adds a batch; gives out what is complete through `emit`.
    pub fn push(
        &mut self,
        batch: Batch,
        limits: Thresholds,
        budget: &Arc<Budget>,
        emit: &mut dyn FnMut(Batch),
    ) {
        self.size += limits.sizer.measure(&batch);
        match &mut self.batch {
            Some(waiting) => waiting.append(batch),
            none => *none = Some(batch),
        }
        if self.size < limits.min_size {
            return;
        }
        let mut pieces = self.cut(limits, budget);
        // What is left over may wait for more, if it is small enough.
        let rest = pieces.pop_if(|last| limits.sizer.measure(last) < limits.min_size);
        self.size = rest.as_ref().map_or(0, |rest| limits.sizer.measure(rest));
        self.batch = rest;
        pieces.into_iter().for_each(emit);
    }

    /// Gives out everything, in batches no larger than the limit.
    pub fn flush(&mut self, limits: Thresholds, budget: &Arc<Budget>, emit: &mut dyn FnMut(Batch)) {
        self.cut(limits, budget).into_iter().for_each(emit);
        self.size = 0;
    }

    /// Everything, in pieces that keep the limit.
    fn cut(&mut self, limits: Thresholds, budget: &Arc<Budget>) -> Vec<Batch> {
        let Some(batch) = self.batch.take() else { return Vec::new() };
        if limits.max_size == 0 || self.size <= limits.max_size {
            return vec![batch];
        }
        let size = match limits.sizer {
            Sizer::Bytes => PieceSize::Bytes(limits.max_size),
            Sizer::Items | Sizer::Requests => PieceSize::Items(limits.max_size),
        };
        chunk(batch, size, budget)
    }
}
