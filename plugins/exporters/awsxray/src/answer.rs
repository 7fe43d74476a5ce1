//! What an answer of the API means: for a call, and for each document that it names.

use std::time::Duration;

use serde_json::Value;

/// Bytes of what the API says of a document or a call that are kept.
const MAX_TEXT: usize = 1024;

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken, but for these documents.
    Taken(Vec<Unprocessed>),
    /// Too many calls: the same again, later and slower.
    Throttled(Option<Duration>),
    /// Whoever signed it may not, or no longer.
    Denied(String),
    /// The same again.
    Again(Option<Duration>, String),
    /// The same in smaller calls.
    TooLarge(String),
    /// A document in it is not what the API takes: the others may be taken without it.
    Invalid(String),
    /// It can't be mended by sending it again.
    Never(String),
}

/// A document that was not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unprocessed {
    /// Its segment id; none if the API did not find one.
    pub(crate) id: Option<String>,
    /// Why, in a word; empty if it does not say.
    pub(crate) code: String,
    /// Why, for people.
    pub(crate) message: String,
}

/// What an HTTP answer says. `code` is the error's name, if the answer has one.
pub(crate) fn outcome(
    status: u16,
    code: Option<&str>,
    message: &str,
    body: &[u8],
    retry_after: Option<Duration>,
) -> Outcome {
    if (200..=299).contains(&status) {
        return match serde_json::from_slice(body) {
            Ok(Value::Object(reply)) => Outcome::Taken(unprocessed(reply.get("UnprocessedTraceSegments"))),
            _ if status == 200 => {
                Outcome::Again(None, "the answer is not that of PutTraceSegments".to_owned())
            }
            // The API answers 200; whoever stands in between and has taken it need not know its answer.
            _ => Outcome::Taken(Vec::new()),
        };
    }
    let (code, message) = (code.map(cut), cut(message));
    let said = match (code, message) {
        (None, "") => format!("HTTP status {status}"),
        (None, message) => format!("HTTP status {status}: {message}"),
        (Some(code), "") => format!("{code} (HTTP status {status})"),
        (Some(code), message) => format!("{code} (HTTP status {status}): {message}"),
    };
    match status {
        _ if code.is_some_and(is_throttling) => Outcome::Throttled(retry_after),
        429 => Outcome::Throttled(retry_after),
        401 | 403 | 407 => Outcome::Denied(said),
        _ if code.is_some_and(aws::client::is_about_credentials) => Outcome::Denied(said),
        413 => Outcome::TooLarge(said),
        300..=399 | 408 | 500 | 502..=599 => Outcome::Again(retry_after, said),
        _ if code.is_some_and(is_passing) => Outcome::Again(retry_after, said),
        400 if code == Some("InvalidRequestException") => Outcome::Invalid(said),
        _ => Outcome::Never(said),
    }
}

fn unprocessed(list: Option<&Value>) -> Vec<Unprocessed> {
    let text = |entry: &Value, key| entry.get(key).and_then(Value::as_str).map(|text| cut(text).to_owned());
    let entry = |entry| Unprocessed {
        id: text(entry, "Id"),
        code: text(entry, "ErrorCode").unwrap_or_default(),
        message: text(entry, "Message").unwrap_or_default(),
    };
    list.and_then(Value::as_array).map(|list| list.iter().map(entry).collect()).unwrap_or_default()
}

/// As much of a text as is kept of it: it is there for each document.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

/// Whether an error's name asks for fewer calls. Source: the AWS SDKs' list of throttling codes.
pub(crate) fn is_throttling(code: &str) -> bool {
    const CODES: &[&str] = &[
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "TransactionInProgressException",
        "EC2ThrottledException",
        "SlowDown",
    ];
    CODES.contains(&code)
}

/// Whether an error's name says that it will pass.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "RequestTimeout"
            | "RequestTimeoutException"
            | "InternalFailure"
            | "InternalError"
            | "InternalServerError"
            | "InternalServerException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
    )
}

/// Whether a document that was not taken for this reason may be taken another time.
pub(crate) fn may_be_sent_again(code: &str) -> bool {
    is_throttling(code) || is_passing(code)
}

/// Stands in the books for a document that no call can hold, and for one that was refused with its whole call.
pub(crate) const TOO_LARGE: &str = "too large";
pub(crate) const REFUSED: &str = "refused by the peer";

/// The code, in files, of a document that was given up. The books have the reason.
pub(crate) const GIVEN_UP: &str = "GivenUp";

/// Stands in the books for a code that is not known.
pub(crate) const OTHER: &str = "other";

/// Codes for documents as they stand in the books: the service's, those of its emulators, and what is none of them.
///
/// Source: the API's error codes as they were seen in recordings of it and in public reports.
pub(crate) fn reason(code: &str) -> &'static str {
    const KNOWN: &[&str] = &[
        "InvalidSegment",
        "InvalidName",
        "InvalidId",
        "InvalidTraceId",
        "InvalidParentId",
        "MissingId",
        "MissingName",
        "MissingTraceId",
        "MissingParentId",
        "MissingStartTime",
        "MissingEndTime",
        "InProgressSegmentHasEndTime",
        "InProgressSubsegmentHasEndTime",
        "ParseError",
        "UnknownType",
        "MissingParam",
        "JSONFormatError",
        TOO_LARGE,
        REFUSED,
    ];
    KNOWN.iter().find(|known| **known == code).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let again = |said: &str| Outcome::Again(None, said.to_owned());
        let check = |status, code, expected: Outcome| {
            assert_eq!(outcome(status, code, "", b"", None), expected, "{status} {code:?}");
        };
        check(
            400,
            Some("InvalidRequestException"),
            Outcome::Invalid("InvalidRequestException (HTTP status 400)".into()),
        );
        check(429, Some("ThrottledException"), Outcome::Throttled(None));
        check(400, Some("ThrottlingException"), Outcome::Throttled(None));
        check(503, Some("SlowDown"), Outcome::Throttled(None));
        check(429, None, Outcome::Throttled(None));
        check(
            403,
            Some("AccessDeniedException"),
            Outcome::Denied("AccessDeniedException (HTTP status 403)".into()),
        );
        check(403, None, Outcome::Denied("HTTP status 403".into()));
        let expired = "ExpiredTokenException (HTTP status 400)";
        check(400, Some("ExpiredTokenException"), Outcome::Denied(expired.into()));
        check(202, None, Outcome::Taken(Vec::new()));
        check(302, None, again("HTTP status 302"));
        check(413, None, Outcome::TooLarge("HTTP status 413".into()));
        check(501, None, Outcome::Never("HTTP status 501".into()));
        check(404, None, Outcome::Never("HTTP status 404".into()));
        check(400, Some("RequestTimeout"), again("RequestTimeout (HTTP status 400)"));
        for status in [408, 500, 502, 503, 504] {
            check(status, None, again(&format!("HTTP status {status}")));
        }
        let after = Some(Duration::from_secs(7));
        assert_eq!(outcome(429, None, "", b"", after), Outcome::Throttled(after));
        assert_eq!(
            outcome(503, None, "busy", b"", after),
            Outcome::Again(after, "HTTP status 503: busy".into())
        );
    }

    #[test]
    fn what_was_not_taken_is_read() {
        let taken = |body: &str| outcome(200, None, "", body.as_bytes(), None);
        for nothing in
            ["{}", "{\"UnprocessedTraceSegments\":[]}", "{\"UnprocessedTraceSegments\":null,\"x\":1}"]
        {
            assert_eq!(taken(nothing), Outcome::Taken(Vec::new()));
        }
        let one = r#"{"UnprocessedTraceSegments":[{"Id":"0a","ErrorCode":"InvalidName","Message":"no"},{"Id":null}]}"#;
        let named = Unprocessed { id: Some("0a".into()), code: "InvalidName".into(), message: "no".into() };
        assert_eq!(taken(one), Outcome::Taken(vec![named, Unprocessed::default()]));
        for foreign in ["<html>", "[]", ""] {
            assert!(matches!(taken(foreign), Outcome::Again(None, _)), "{foreign}");
        }
    }

    #[test]
    fn codes_of_documents() {
        for code in ["InternalFailure", "ServiceUnavailable", "ThrottledException", "ThrottlingException"] {
            assert!(may_be_sent_again(code), "{code}");
        }
        for code in ["InvalidSegment", "InvalidName", "ParseError", ""] {
            assert!(!may_be_sent_again(code), "{code}");
        }
        assert_eq!(reason("InvalidName"), "InvalidName");
        assert_eq!(reason("Nonsense"), "other");
    }
}
