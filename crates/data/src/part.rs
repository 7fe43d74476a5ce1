//! One contiguous piece of an encoded batch.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::Budget;

/// Encoded bytes, and the size of the allocation that they keep alive.
///
/// A part holds whole top-level elements of its signal's message (for OTLP: `ResourceSpans` and the like with
/// their tags), so a batch of several parts is their concatenation.
#[derive(Clone, Debug)]
pub struct Part {
    bytes: Bytes,
    backing: usize,
}

impl Part {
    /// Bytes that keep `backing` bytes of memory alive.
    #[must_use]
    pub const fn new(bytes: Bytes, backing: usize) -> Self {
        Self { bytes, backing }
    }

    /// Bytes that are not part of anything larger.
    #[must_use]
    pub const fn whole(bytes: Bytes) -> Self {
        let backing = bytes.len();
        Self { bytes, backing }
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Size in bytes of the allocation that this keeps alive.
    #[must_use]
    pub const fn backing(&self) -> usize {
        self.backing
    }

    /// A piece that shares the allocation.
    ///
    /// # Panics
    /// If `range` is out of bounds, as [`Bytes::slice`].
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self { bytes: self.bytes.slice(range), backing: self.backing }
    }

    /// `bytes` as a piece of this part, if that is what they are.
    #[must_use]
    pub fn slice_of(&self, bytes: &Bytes) -> Option<Self> {
        let inside = self.bytes.as_ptr_range().contains(&bytes.as_ptr());
        inside.then(|| Self { bytes: bytes.clone(), backing: self.backing })
    }

    /// Copies out what keeps less than half of its allocation, so that a remnant never holds a large block.
    #[must_use]
    pub fn compact(self, budget: &Arc<Budget>) -> Self {
        if self.bytes.len() * 2 >= self.backing { self } else { budget.adopt(self.bytes.to_vec()) }
    }
}

impl From<Vec<u8>> for Part {
    fn from(buffer: Vec<u8>) -> Self {
        Self::whole(Bytes::from(buffer))
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
