//! gRPC codes, HTTP statuses and retry hints: one table for each direction, for servers and clients.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

/// A code's name as gRPC writes it, and OpenTelemetry's conventions show it: `UNAVAILABLE`.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Type of the only detail we read and write.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Details of a status that are looked at; a peer's further ones are ignored.
const MAX_DETAILS: usize = 32;

/// The HTTP status that a server answers for a gRPC code: the OTLP receiver's table.
pub fn http_from_code(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::Unimplemented => 404,
        Code::ResourceExhausted => 429,
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => 503,
        Code::Unknown | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition | Code::Internal => {
            500
        }
    }
}

/// The gRPC code that an OTLP/HTTP client makes of a server's HTTP status: the OTLP exporter's table.
pub fn code_from_http(status: u16) -> Code {
    match status {
        200..=299 => Code::Ok,
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 => Code::ResourceExhausted,
        502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The gRPC code for an HTTP answer where a gRPC one was expected, from a proxy for instance: gRPC's own table.
pub fn code_from_foreign_http(status: u16) -> Code {
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// Whether an OTLP exporter may send again after this answer: some codes always, `ResourceExhausted` only when the
/// server said when.
pub fn is_retryable(status: &Status) -> bool {
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => retry_delay(status).is_some(),
        _ => false,
    }
}

/// Whether an OTLP/HTTP exporter may send again after this status.
pub fn is_retryable_http(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

/// A status that tells the client when to come back, as `google.rpc.RetryInfo`.
pub fn status_with_retry(code: Code, message: impl Into<String>, delay: Duration) -> Status {
    let message = message.into();
    let info = RetryInfo { retry_delay: Some(ProtoDuration::from(delay)) };
    let details = RpcStatus {
        code: code as i32,
        message: message.clone(),
        details: vec![Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() }],
    };
    Status::with_details(code, message, Bytes::from(details.encode_to_vec()))
}

/// When the server wants to be asked again, if it says so. Zero is an answer too.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    if status.details().is_empty() {
        return None;
    }
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let info = details.iter().take(MAX_DETAILS).find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    Some(delay.into())
}

/// `google.rpc.Status` in protobuf: the body of an OTLP/HTTP error. Only code and message.
pub fn encode_rpc_status(status: &Status) -> Vec<u8> {
    let code = status.code() as i32;
    RpcStatus { code, message: status.message().to_owned(), details: Vec::new() }.encode_to_vec()
}

/// Reads the body of an OTLP/HTTP error in protobuf; none if it is no `google.rpc.Status`.
pub fn decode_rpc_status(body: &[u8]) -> Option<Status> {
    let status = RpcStatus::decode(body).ok()?;
    Some(Status::with_details(Code::from_i32(status.code), status.message, Bytes::copy_from_slice(body)))
}

/// Reads a `Retry-After` header: whole seconds or an HTTP date, which is compared with `now`. A date that has passed
/// is zero.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// The value of a `Retry-After` header: whole seconds, rounded up so that nobody comes too early.
pub fn retry_after(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl From<Duration> for ProtoDuration {
    fn from(delay: Duration) -> Self {
        let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
        // Below a thousand million, so it fits.
        Self { seconds, nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0) }
    }
}

impl From<ProtoDuration> for Duration {
    /// Negative durations are zero.
    fn from(delay: ProtoDuration) -> Self {
        let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
        match u64::try_from(delay.seconds) {
            Ok(seconds) => Duration::new(seconds, nanos),
            Err(_) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_map_as_the_collector_maps_them() {
        for (code, http) in [
            (Code::Cancelled, 503),
            (Code::DataLoss, 503),
            (Code::ResourceExhausted, 429),
            (Code::Unimplemented, 404),
            (Code::Internal, 500),
        ] {
            assert_eq!(http_from_code(code), http, "{code:?}");
        }
        for (http, code) in
            [(400, Code::InvalidArgument), (502, Code::Unavailable), (204, Code::Ok), (418, Code::Unknown)]
        {
            assert_eq!(code_from_http(http), code, "{http}");
        }
        assert_eq!(code_from_foreign_http(400), Code::Internal);
    }

    #[test]
    fn a_retry_hint_survives_the_wire_and_decides_over_exhaustion() {
        let hint = Duration::from_millis(1_500);
        let status = status_with_retry(Code::ResourceExhausted, "slow down", hint);
        let mut headers = ::http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let read = Status::from_header_map(&headers).unwrap();
        assert_eq!(retry_delay(&read), Some(hint));
        assert!(is_retryable(&read));
        assert!(!is_retryable(&Status::resource_exhausted("full")));
        assert!(is_retryable(&Status::unavailable("gone")));
        let negative = Duration::from(ProtoDuration { seconds: -1, nanos: 5 });
        assert_eq!(negative, Duration::ZERO);
    }

    #[test]
    fn garbage_details_are_no_hint() {
        let status = Status::with_details(Code::Unavailable, "x", Bytes::from_static(b"\xff\xff\xff"));
        assert_eq!(retry_delay(&status), None);
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |value: &str, seconds: Option<u64>| {
            assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("-1", None);
        check("soon", None);
        assert_eq!(retry_after(Duration::from_millis(1_001)), 2);
        assert_eq!(retry_after(Duration::from_secs(3)), 3);
    }
}
