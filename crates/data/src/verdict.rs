//! What became of a batch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A gRPC status code, kept as the neutral way to say why something was refused.
///
/// Source: the gRPC status code list; the numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "gRPC's own names")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// The code with this number; [`Code::Unknown`] for any that gRPC does not define.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Cancelled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Whether and when something refused may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may be sent again, not before `after` if that is known.
    Retry {
        /// The peer's own hint (`RetryInfo`, `Retry-After`).
        after: Option<Duration>,
    },
    /// Sending it again can't help.
    Permanent,
    /// It is larger than the other side takes: in smaller pieces it may pass.
    TooLarge,
}

/// Why items were not taken, and what that means for whoever has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What may be done next.
    pub refusal: Refusal,
    /// The nearest gRPC status code.
    pub code: Code,
    /// For people: lower case, no full stop.
    pub message: Arc<str>,
}

impl Refused {
    /// A refusal that passes: `UNAVAILABLE`, no hint when.
    #[must_use]
    pub fn retry(message: impl Into<Arc<str>>) -> Self {
        Self { refusal: Refusal::Retry { after: None }, code: Code::Unavailable, message: message.into() }
    }

    /// A refusal that passes after the given time.
    #[must_use]
    pub fn retry_after(after: Duration, code: Code, message: impl Into<Arc<str>>) -> Self {
        Self { refusal: Refusal::Retry { after: Some(after) }, code, message: message.into() }
    }

    /// A refusal for good.
    #[must_use]
    pub fn permanent(code: Code, message: impl Into<Arc<str>>) -> Self {
        Self { refusal: Refusal::Permanent, code, message: message.into() }
    }

    /// A refusal because of size.
    #[must_use]
    pub fn too_large(message: impl Into<Arc<str>>) -> Self {
        Self { refusal: Refusal::TooLarge, code: Code::ResourceExhausted, message: message.into() }
    }

    /// Whether the same items may be sent again as they are.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.refusal, Refusal::Retry { .. })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// What became of everything that a ticket stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every item reached every destination that counts.
    Delivered,
    /// A stage holds the items now and answers for them.
    TakenOver {
        /// The node that holds them.
        by: Arc<str>,
    },
    /// Some items were refused for good, the others arrived.
    Partly {
        /// How many items were refused.
        rejected: u64,
        /// The first reason given.
        message: Arc<str>,
    },
    /// Nothing may be counted on.
    Refused(Refused),
}

impl Verdict {
    /// Whether the sender may forget the items (all of them, or all but the rejected ones).
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}
