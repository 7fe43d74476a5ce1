//! Why a document, or a part of one, does not become spans.

use std::fmt;

/// What is wrong with a document or a subsegment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No JSON object, or something behind it.
    NotJson,
    /// Nested more deeply than [`Limits`](super::Limits) or any document has reason to.
    TooDeep,
    /// More segments than [`Limits`](super::Limits) allow.
    TooManySegments,
    /// More bytes than [`Limits`](super::Limits) allow.
    TooLarge,
    /// A field that is known has a value of another type than it should.
    WrongType,
    /// `name`, `id`, `start_time`, or at the top `trace_id` is not there.
    Missing,
    /// An id that is not sixteen hex digits, or a trace id in neither of its forms.
    InvalidId,
    /// A time before 1970 or after 2554.
    InvalidTime,
    /// A subsegment whose namespace is neither `aws` nor `remote` nor `local`.
    InvalidNamespace,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::NotJson,
        Self::TooDeep,
        Self::TooManySegments,
        Self::TooLarge,
        Self::WrongType,
        Self::Missing,
        Self::InvalidId,
        Self::InvalidTime,
        Self::InvalidNamespace,
    ];

    /// The word for it in metrics and accounts.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::TooManySegments => "too_many_segments",
            Self::TooLarge => "too_large",
            Self::WrongType => "wrong_type",
            Self::Missing => "missing_field",
            Self::InvalidId => "invalid_id",
            Self::InvalidTime => "invalid_time",
            Self::InvalidNamespace => "invalid_namespace",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "not one JSON object",
            Self::TooDeep => "nested too deeply",
            Self::TooManySegments => "too many segments",
            Self::TooLarge => "too large",
            Self::WrongType => "a value of the wrong type",
            Self::Missing => "a required field is missing",
            Self::InvalidId => "not a valid id",
            Self::InvalidTime => "not a time between 1970 and 2554",
            Self::InvalidNamespace => "not a known namespace",
        })
    }
}

/// A document that was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}{} at byte {at}", if field.is_empty() { "" } else { ": " }, field)]
pub struct Refused {
    /// What is wrong.
    pub reason: Reason,
    /// The field that it is about, if it is about one.
    pub field: &'static str,
    /// Where it was found, in bytes from the start.
    pub at: usize,
    /// How many segments, nested ones included, it holds; none if it could not be read so far, as in the daemon's
    /// telemetry.
    pub segments: usize,
}

/// Subsegments that were left out of a document that was taken, with everything nested in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// What is wrong with the outermost of them.
    pub reason: Reason,
    /// The field that it is about, if it is about one.
    pub field: &'static str,
    /// Where it was found, in bytes from the start of the document.
    pub at: usize,
    /// How many segments they are.
    pub segments: usize,
}
