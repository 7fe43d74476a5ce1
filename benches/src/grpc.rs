//! Just enough of gRPC over HTTP/2: message framing, status and retry advice.

use std::{io::Read, time::Duration};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;

use crate::wire::Fields;

/// The method of OTLP that takes traces.
pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Length of the prefix of every message: compressed flag and length.
pub(crate) const PREFIX: usize = 5;

/// Nothing that we measure sends larger messages, not even uncompressed.
pub(crate) const MAX_MESSAGE: usize = 256 << 20;

pub(crate) const OK: i32 = 0;
pub(crate) const INTERNAL: i32 = 13;
pub(crate) const UNAVAILABLE: i32 = 14;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The prefix of a message of `length` bytes.
pub(crate) fn prefix(compressed: bool, length: usize) -> [u8; PREFIX] {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [u8::from(compressed), length[0], length[1], length[2], length[3]]
}

/// Frames `message`, compressed with gzip where asked for.
pub(crate) fn frame(message: Vec<u8>, gzip: bool) -> std::io::Result<Bytes> {
    if !gzip {
        let mut framed = Vec::with_capacity(PREFIX + message.len());
        framed.extend_from_slice(&prefix(false, message.len()));
        framed.extend_from_slice(&message);
        return Ok(framed.into());
    }
    let mut encoder = GzEncoder::new(vec![0; PREFIX], Compression::fast());
    std::io::Write::write_all(&mut encoder, &message)?;
    let mut framed = encoder.finish()?;
    let length = framed.len() - PREFIX;
    framed[..PREFIX].copy_from_slice(&prefix(true, length));
    Ok(framed.into())
}

/// The message in `framed`, if it is a single whole one; decompressed into `scratch` where it has to be.
pub(crate) fn unframe<'a>(framed: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let (prefix, message) = framed.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?) as usize;
    if message.len() != length {
        return None;
    }
    if prefix[0] == 0 {
        return Some(message);
    }
    scratch.clear();
    GzDecoder::new(message).take(MAX_MESSAGE as u64).read_to_end(scratch).ok()?;
    Some(scratch)
}

/// The status in response headers or trailers, if there is one.
pub(crate) fn status(headers: &HeaderMap) -> Option<i32> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// Binary metadata is unpadded base64, and readers have to accept padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `google.rpc.RetryInfo`, as far as a client needs it.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The delay that a `RetryInfo` in the status details asks for.
pub(crate) fn retry_delay(headers: &HeaderMap) -> Option<Duration> {
    let status = RpcStatus::decode(&BASE64.decode(headers.get(GRPC_DETAILS)?).ok()?[..]).ok()?;
    let detail = status.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(&detail.value[..]).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
}

/// The value of `grpc-status-details-bin` that refuses with `code` and asks for a retry after `delay`.
pub(crate) fn retry_details(code: i32, delay: Duration) -> Option<HeaderValue> {
    let retry_delay = ProtoDuration {
        seconds: delay.as_secs().try_into().ok()?,
        nanos: delay.subsec_nanos().try_into().ok()?,
    };
    let value = RetryInfo { retry_delay: Some(retry_delay) }.encode_to_vec();
    let details = vec![Any { type_url: RETRY_INFO.into(), value }];
    let status = RpcStatus { code, message: "overloaded".into(), details };
    HeaderValue::from_str(&BASE64.encode(status.encode_to_vec())).ok()
}

/// How many spans a response says were rejected (`partial_success.rejected_spans`).
pub(crate) fn rejected_spans(response: &[u8]) -> i64 {
    let Some((_, message)) = response.split_at_checked(PREFIX) else { return 0 };
    #[derive(Clone, PartialEq, prost::Message)]
    struct Partial {
        #[prost(int64, tag = "1")]
        rejected_spans: i64,
    }
    let mut fields = Fields::new(message, 0..message.len());
    while let Ok(Some(field)) = fields.next() {
        if field.number == 1 {
            return message
                .get(field.content)
                .and_then(|p| Partial::decode(p).ok())
                .map_or(0, |p| p.rejected_spans);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_advice_survives_the_headers() {
        let mut headers = HeaderMap::new();
        let delay = Duration::from_millis(1500);
        headers.insert(GRPC_DETAILS, retry_details(UNAVAILABLE, delay).expect("a header"));
        assert_eq!(retry_delay(&headers), Some(delay));
        headers.remove(GRPC_DETAILS);
        assert_eq!(retry_delay(&headers), None);
    }

    #[test]
    fn framing_is_undone_with_and_without_gzip() {
        for gzip in [false, true] {
            let framed = frame(b"a message".to_vec(), gzip).expect("framed");
            assert_eq!(unframe(&framed, &mut Vec::new()), Some(&b"a message"[..]));
            assert_eq!(unframe(&framed[..framed.len() - 1], &mut Vec::new()), None);
        }
    }
}
