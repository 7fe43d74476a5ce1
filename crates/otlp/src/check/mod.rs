//! The edge check: nothing enters a batch before it has been walked once, completely.
//!
//! A batch is joined from requests of many senders. One sender's bad bytes in it would make the next hop refuse
//! everyone's, so bytes are refused or rewritten here and every reader behind can be infallible. Refused is:
//! a length that does not nest, a wire type that is not its field's, a group, field number 0, an id of the wrong
//! length, messages nested too deep, packed elements that do not fill their field. Rewritten is what two readers
//! could understand differently: see [`normalise`].
//!
//! This is stricter than the specification in one place: a known field with an unexpected wire type, which some
//! readers skip as unknown and others refuse, is refused.
//!
//! `fast` does the work, `plain` is the same thing in its simplest form: it names what is wrong once `fast` has
//! found something, and tests hold the two against each other.

mod fast;
mod normalise;
mod plain;

use bytes::Bytes;
use thiserror::Error;

use crate::Signal;
use crate::wire::{FrameError, WireType};

pub use normalise::{Normalised, normalise};

/// What the check lets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What happens to text that is not UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// Bounds.
    pub limits: Limits,
}

/// What happens to text that is not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidUtf8 {
    /// Replace what is wrong with U+FFFD, as [`String::from_utf8_lossy`] does.
    #[default]
    Replace,
    /// Refuse the request.
    Refuse,
}

/// Bounds on what a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many messages deep a request may nest; its `resource_spans` are 1 deep. The reader at the next hop has
    /// a limit too: C++, Java and prost stop at 100. An array in an array costs two, a map in a map three.
    pub max_depth: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 96 }
    }
}

/// What the check found out about bytes that are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Spans, data points or log records. When not [`Checked::is_clean`] what rewriting leaves may be fewer.
    pub items: usize,
    /// Whether the bytes can be taken as they are. If not they have to go through [`normalise`].
    pub is_clean: bool,
}

/// Bytes that are not a request, or not one we take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {what} (at byte {offset})")]
pub struct Malformed {
    /// Where the offending field begins, in bytes from the start of the request.
    pub offset: usize,
    /// Which field, e.g. `resource_spans[0].scope_spans[0].spans[3].trace_id`.
    pub path: String,
    /// What is wrong with it.
    pub what: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes are not fields.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Framed otherwise than the field's type demands.
    #[error("wire type {found:?} where {needed:?} is needed")]
    WireType {
        /// As sent.
        found: WireType,
        /// As the schema has it.
        needed: WireType,
    },
    /// A trace id that has not 16 bytes (or none), a span id that has not 8 (or none).
    #[error("{len} bytes where {needed} are needed")]
    IdLength {
        /// As sent.
        len: usize,
        /// 16 or 8.
        needed: usize,
    },
    /// Under [`InvalidUtf8::Refuse`].
    #[error("text that is not UTF-8")]
    InvalidUtf8,
    /// See [`Limits::max_depth`].
    #[error("messages nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: u8,
    },
    /// A packed field that ends inside an element.
    #[error("packed elements that do not fill the field")]
    Packed,
}

/// Checks a request in one walk and counts its items.
///
/// # Errors
///
/// The first thing that is wrong, in the order of the bytes.
pub fn check(signal: Signal, bytes: &[u8], policy: &Policy) -> Result<Checked, Malformed> {
    // The fast walk does not know what it tripped over. The plain one has the last word.
    fast::check(signal, bytes, policy).map_or_else(|| plain::check(signal, bytes, policy), Ok)
}

/// The fast form of [`check`] alone, for tests.
#[doc(hidden)]
#[must_use]
pub fn check_fast(signal: Signal, bytes: &[u8], policy: &Policy) -> Option<Checked> {
    fast::check(signal, bytes, policy)
}

/// The plain form of [`check`], for tests and benchmarks: same answers, more slowly.
#[doc(hidden)]
pub fn check_plainly(signal: Signal, bytes: &[u8], policy: &Policy) -> Result<Checked, Malformed> {
    plain::check(signal, bytes, policy)
}

/// A request that may become part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The bytes as received, or rewritten.
    pub bytes: Bytes,
    /// Spans, data points or log records.
    pub items: usize,
    /// How many strings were not UTF-8 and have been repaired.
    pub replaced: usize,
}

/// Checks a request and rewrites it if it must be. Clean bytes are handed back as they came.
///
/// # Errors
///
/// When the request is refused; see [`check`].
pub fn admit(signal: Signal, bytes: Bytes, policy: &Policy) -> Result<Admitted, Malformed> {
    let checked = check(signal, &bytes, policy)?;
    if checked.is_clean {
        return Ok(Admitted { bytes, items: checked.items, replaced: 0 });
    }
    let Normalised { bytes, replaced } = normalise::rewrite(signal, &bytes);
    let items = crate::count(signal, &bytes);
    Ok(Admitted { bytes: bytes.into(), items, replaced })
}
