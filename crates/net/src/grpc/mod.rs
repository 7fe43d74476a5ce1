//! Unary gRPC over HTTP/2, with messages as raw bytes.

pub mod client;
pub mod server;

mod message;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::time::Duration;

use http::HeaderValue;
use tonic::Code;

/// What we can decompress, in order of preference.
pub(crate) const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("gzip,zstd,snappy");

pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether a content type is gRPC with protobuf messages.
pub(crate) fn is_grpc(content_type: &HeaderValue) -> bool {
    let bytes = content_type.as_bytes();
    let Some(rest) = bytes.strip_prefix(b"application/grpc") else { return false };
    let subtype = rest.split(|byte| *byte == b';').next().unwrap_or_default();
    subtype.is_empty() || subtype == b"+proto"
}

/// Reads a `grpc-timeout`: up to eight digits and a unit.
pub(crate) fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        // Eight digits of hours are within 64 bits of seconds.
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Writes a `grpc-timeout`, in the finest unit that holds it in eight digits.
pub(crate) fn format_timeout(timeout: Duration) -> HeaderValue {
    let units: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let nanos = timeout.as_nanos();
    let fitting = units.iter().find(|(size, _)| nanos.div_ceil(*size) < 100_000_000);
    let text = match fitting {
        Some((size, unit)) => format!("{}{unit}", nanos.div_ceil(*size)),
        None => "99999999H".to_owned(),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("99999999H"))
}

/// The code for a stream that was reset: the table of gRPC over HTTP/2.
pub(crate) fn code_from_reset(reason: h2::Reason) -> Code {
    match reason {
        h2::Reason::REFUSED_STREAM => Code::Unavailable,
        h2::Reason::CANCEL => Code::Cancelled,
        h2::Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        h2::Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// The reason why the peer reset the stream, if that is what happened.
pub(crate) fn reset_reason(error: &hyper::Error) -> Option<h2::Reason> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return if error.is_reset() { error.reason() } else { None };
        }
        source = error.source();
    }
    None
}
