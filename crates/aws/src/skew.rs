//! What the service's clock says when ours is wrong.
//!
//! A service takes no signature that is more than five minutes old or early. Its answer to one has its own time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::HeaderMap;
use http::header::DATE;

/// A difference that says that a clock is wrong, in seconds. AWS's SDKs have the same.
const WRONG: u64 = 4 * 60;

/// Seconds that the service is before our clock.
#[derive(Debug, Default)]
pub(crate) struct Skew(AtomicI64);

impl Skew {
    /// The service's time.
    pub(crate) fn correct(&self, now: SystemTime) -> SystemTime {
        let ahead = self.0.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let corrected = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.filter(|time| *time >= UNIX_EPOCH).unwrap_or(now)
    }

    /// Reads the answer to a request that was signed for the time `signed`; `now` is our time at the answer. Says whether a
    /// request would be signed for quite another time now.
    pub(crate) fn learn(&self, code: &str, headers: &HeaderMap, signed: SystemTime, now: SystemTime) -> bool {
        let Some(theirs) = is_about_time(code).then(|| date(headers)).flatten() else { return false };
        if theirs.abs_diff(seconds(signed)) <= WRONG {
            return false;
        }
        let ahead = theirs.saturating_sub(seconds(now));
        let before = self.0.swap(ahead, Ordering::Relaxed);
        // Of many calls at once the first one tells.
        if before.abs_diff(ahead) > WRONG {
            tracing::warn!(
                code,
                seconds = ahead,
                "AWS's clock is that much ahead of this machine's: requests are signed with AWS's time"
            );
        }
        true
    }
}

/// Source: the error codes that AWS's SDKs take for a clock's fault.
fn is_about_time(code: &str) -> bool {
    matches!(
        code,
        "InvalidSignatureException"
            | "RequestExpired"
            | "RequestInTheFuture"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
    )
}

/// When an answer was made, in seconds since 1970.
fn date(headers: &HeaderMap) -> Option<i64> {
    let date = DateTime::from_str(headers.get(DATE)?.to_str().ok()?, Format::HttpDate).ok()?;
    Some(date.secs()).filter(|seconds| *seconds >= 0)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u64 = 1_700_000_000;
    /// `OURS` as a header has it.
    const HEADER: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn learn(skew: &Skew, code: &str, date: Option<&str>, signed: u64, now: u64) -> bool {
        let headers = date.into_iter().map(|date| (DATE, date.parse().unwrap())).collect();
        skew.learn(code, &headers, at(signed), at(now))
    }

    #[test]
    fn a_clock_is_corrected_by_what_the_service_says() {
        let skew = Skew::default();
        for (wrong, expected) in [(OURS - 600, true), (OURS + 100, true), (OURS + 601, true)] {
            let signed = skew.correct(at(wrong));
            let signed = signed.duration_since(UNIX_EPOCH).unwrap().as_secs();
            assert_eq!(learn(&skew, "RequestExpired", Some(HEADER), signed, wrong), expected, "{wrong}");
            assert_eq!(skew.correct(at(wrong + 5)), at(OURS + 5));
        }
    }

    #[test]
    fn nothing_is_learnt_without_a_reason() {
        let skew = Skew::default();
        let wrong = OURS - 600;
        for (code, date, signed) in [
            ("RequestExpired", Some(HEADER), OURS - 240),
            ("RequestExpired", Some(HEADER), OURS + 240),
            ("RequestExpired", None, wrong),
            ("RequestExpired", Some("yesterday"), wrong),
            ("RequestExpired", Some("Mon, 01 Jan 1900 00:00:00 GMT"), wrong),
            ("ExpiredTokenException", Some(HEADER), wrong),
            ("", Some(HEADER), wrong),
        ] {
            assert!(!learn(&skew, code, date, signed, signed), "{code} {date:?}");
        }
        assert_eq!(skew.correct(at(wrong)), at(wrong));
        skew.0.store(-600, Ordering::Relaxed);
        assert_eq!(skew.correct(at(1)), at(1), "there is no time before 1970");
        skew.0.store(i64::MAX, Ordering::Relaxed);
        assert_eq!(skew.correct(at(wrong)), at(wrong));
    }
}
