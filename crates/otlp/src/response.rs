//! The three export responses, which have the same shape.
//!
//! In `ExportTraceServiceResponse` and its two twins field 1 is `partial_success`; in that, field 1 is
//! `rejected_spans`, `rejected_data_points` or `rejected_log_records`, and field 2 `error_message`.

use bytes::Bytes;

use crate::wire::{Fields, Value, write_len_field, write_nested, write_varint_field};

/// What a server did not take of a request that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Items refused for good.
    pub rejected: u64,
    /// Why; with nothing rejected, a warning.
    pub message: String,
}

/// Encodes a response.
///
/// Without anything to tell, `partial_success` is there and empty, as the Collector answers; the OTLP
/// specification makes that equal to its absence.
#[must_use]
pub fn encode(partial: &PartialSuccess) -> Bytes {
    const ALL_TAKEN: &[u8] = &[0x0a, 0x00];
    if *partial == PartialSuccess::default() {
        return Bytes::from_static(ALL_TAKEN);
    }
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| {
        if partial.rejected > 0 {
            write_varint_field(out, 1, partial.rejected);
        }
        if !partial.message.is_empty() {
            write_len_field(out, 2, partial.message.as_bytes());
        }
    });
    out.into()
}

/// Reads a response. What is not one says nothing, so it reads as complete success: the status decides.
#[must_use]
pub fn decode(response: &[u8]) -> PartialSuccess {
    let mut partial = PartialSuccess::default();
    let bodies = Fields::new(response).filter(|field| field.number == 1).filter_map(|field| field.bytes());
    for field in bodies.flat_map(Fields::new) {
        match (field.number, &field.value) {
            // A negative count is nonsense: none.
            (1, Value::Varint(count)) => partial.rejected = i64::try_from(*count).unwrap_or(0).unsigned_abs(),
            (2, Value::Len(message)) => partial.message = String::from_utf8_lossy(message).into_owned(),
            _ => {}
        }
    }
    partial
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message as _;

    use super::*;

    #[test]
    fn reads_and_writes_what_prost_does() {
        for (rejected, message) in [(0, ""), (3, "too old"), (0, "deprecated"), (u64::from(u32::MAX), "")] {
            let ours = PartialSuccess { rejected, message: message.to_owned() };
            let theirs = ExportTracePartialSuccess {
                rejected_spans: i64::try_from(rejected).unwrap(),
                error_message: message.to_owned(),
            };
            let theirs = ExportTraceServiceResponse { partial_success: Some(theirs) };
            assert_eq!(ExportTraceServiceResponse::decode(encode(&ours)).unwrap(), theirs);
            assert_eq!(decode(&theirs.encode_to_vec()), ours);
        }
        assert_eq!(decode(b""), PartialSuccess::default());
        assert_eq!(decode(b"\xff\xff"), PartialSuccess::default());
    }
}
