//! How far a document may grow before writing more of it is of no use.
//!
//! A few bytes of a span can be sixty of its document: a link, an event, an exception without a text. What trimming
//! would take out again is therefore not written beyond a bound, and a document that no trimming can save is given up
//! while it is written.

use super::bound::Cut;
use crate::trim::{LeftOut, MESSAGE};

/// So many times as large as a document may be can the exceptions of one get before their stack frames are only counted.
const UNTRIMMED_FACTOR: usize = 16;
/// The bytes of an exception beside its texts: id, empty message and type, and a comma.
const EXCEPTION: usize = r#"{"id":"0123456789abcdef","message":"","type":""},"#.len();
/// The least bytes of an exception that is written back as it came.
const PRESERVED_EXCEPTION: usize = r#"{"id":""},"#.len();
/// What one document has taken of what there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// The most bytes of a document.
    max: usize,
    /// Bytes that no trimming takes out again.
    fixed: usize,
    /// Links and other things that were not written.
    pub left_out: LeftOut,
    /// Something else was not written.
    pub is_cut: bool,
}

impl Room {
    /// For a document of at most so many bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Another document begins.
    pub(super) fn begin(&mut self) {
        *self = Self::new(self.max);
    }

    /// Counts an exception with these texts.
    pub(super) fn exception(&mut self, kind: &[u8], message: &[u8]) {
        self.fix(EXCEPTION + kind.len() + message.len().min(MESSAGE));
    }

    /// Counts an exception that is written back as it came.
    pub(super) fn preserved_exception(&mut self) {
        self.fix(PRESERVED_EXCEPTION);
    }

    /// Counts what is certain to be in the document as it is.
    pub(super) fn fix(&mut self, bytes: usize) {
        self.fixed = self.fixed.saturating_add(bytes);
    }

    /// The document has attributes of a resource of which this was cut.
    pub(super) fn add(&mut self, cut: Cut) {
        self.is_cut |= cut.is_any;
        self.left_out.annotations += cut.left_out.annotations;
        self.left_out.metadata += cut.left_out.metadata;
    }

    /// Whether no trimming can make the document small enough.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.fixed > self.max
    }

    /// Whether a list of this many bytes is too long for a document by itself, so that more of it would be left out.
    pub(super) const fn is_full(&self, list: usize) -> bool {
        list > self.max
    }

    /// Whether exceptions of this many bytes go on without their frames, which are the first to be left out of them.
    pub(super) const fn is_without_frames(&self, exceptions: usize) -> bool {
        exceptions > self.max.saturating_mul(UNTRIMMED_FACTOR)
    }
}
