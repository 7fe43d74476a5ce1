//! Telemetry records: what is counted for X-Ray itself, and how it is told (`PutTelemetryRecords`).
//!
//! Receivers and an exporter count into the same [`Counts`]: the exporter offers them under its own id and those of its
//! contributors, and a receiver of one of these ids finds them there ([`offered_to`]).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted between two records.
#[derive(Debug, Default)]
pub struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
    spilled: AtomicU64,
    rejected: AtomicU64,
    errors: [AtomicU64; Failure::ALL.len()],
}

/// How a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time.
    Timeout,
    /// Nobody listens there.
    ConnectionRefused,
    /// An answer of 400 to 499.
    Http4xx,
    /// An answer of 500 to 599.
    Http5xx,
    /// There is no such host.
    UnknownHost,
    /// Anything else.
    Other,
}

impl Failure {
    /// Each with its name in a record, in the order of the API.
    const ALL: [(Self, &'static str); 6] = [
        (Self::Timeout, "TimeoutCount"),
        (Self::ConnectionRefused, "ConnectionRefusedCount"),
        (Self::Http4xx, "HTTPCode4XXCount"),
        (Self::Http5xx, "HTTPCode5XXCount"),
        (Self::UnknownHost, "UnknownHostCount"),
        (Self::Other, "OtherCount"),
    ];
}

impl Counts {
    /// Documents came in.
    pub fn received(&self, documents: usize) {
        self.received.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// Documents were taken by X-Ray.
    pub fn sent(&self, documents: usize) {
        self.sent.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// Documents were lost for want of room.
    pub fn spilled(&self, documents: usize) {
        self.spilled.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// Documents were refused, by X-Ray or on their way in.
    pub fn rejected(&self, documents: usize) {
        self.rejected.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// A call came to nothing.
    pub fn failed(&self, failure: Failure) {
        if let Some(count) = self.errors.get(failure as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since the last time as a record in JSON; none if that is nothing. `wall` is the time in
    /// nanoseconds since 1970.
    #[must_use]
    pub fn take(&self, wall: u64) -> Option<String> {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let counts = [
            ("SegmentsReceivedCount", take(&self.received)),
            ("SegmentsSentCount", take(&self.sent)),
            ("SegmentsSpilloverCount", take(&self.spilled)),
            ("SegmentsRejectedCount", take(&self.rejected)),
        ];
        let errors =
            Failure::ALL.map(|(failure, name)| (name, self.errors.get(failure as usize).map_or(0, take)));
        if counts.iter().chain(&errors).all(|(_, count)| *count == 0) {
            return None;
        }
        let mut json = format!("{{\"Timestamp\":{}.{:03}", wall / 1_000_000_000, wall / 1_000_000 % 1_000);
        let mut all = |separator: &str, counts: &[(&str, u64)]| {
            for (place, (name, count)) in counts.iter().enumerate() {
                let separator = if place == 0 { separator } else { "," };
                // Writing to a string does not fail.
                write!(json, "{separator}\"{name}\":{count}").ok();
            }
        };
        all(",", &counts);
        all(",\"BackendConnectionErrors\":{", &errors);
        json.push_str("}}");
        Some(json)
    }
}

/// Under which name an exporter offers its [`Counts`], as a [`Weak`](std::sync::Weak), to the receiver of this id.
#[must_use]
pub fn offered_to(id: &str) -> String {
    format!("telemetry records of {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_the_daemon_writes_them() {
        let counts = Counts::default();
        assert_eq!(counts.take(1), None);
        counts.received(10);
        counts.sent(9);
        counts.rejected(1);
        counts.failed(Failure::Http5xx);
        counts.failed(Failure::Other);
        let record = counts.take(1_700_000_000_123_456_789).expect("something was counted");
        let expected = "{\"Timestamp\":1700000000.123,\"SegmentsReceivedCount\":10,\"SegmentsSentCount\":9,\
            \"SegmentsSpilloverCount\":0,\"SegmentsRejectedCount\":1,\"BackendConnectionErrors\":{\"TimeoutCount\":0,\
            \"ConnectionRefusedCount\":0,\"HTTPCode4XXCount\":0,\"HTTPCode5XXCount\":1,\"UnknownHostCount\":0,\
            \"OtherCount\":1}}";
        assert_eq!(record, expected);
        assert_eq!(counts.take(1), None, "and begins anew");
        counts.spilled(1);
        assert!(counts.take(1).is_some_and(|record| record.contains("\"SegmentsSpilloverCount\":1")));
    }
}
