//! What a server answers to an export.

use otlp::Limits;
use otlp::response::{PartialSuccess, decode};
use otlp::schema::{Field, Kind, Label, Message};

use crate::read;

/// `ExportTraceServiceResponse` and its two twins in one.
pub(crate) static RESPONSE: Message = Message {
    name: "opentelemetry.proto.collector.ExportServiceResponse",
    fields: &[field(1, "partial_success", "partialSuccess", Kind::Message(&PARTIAL_SUCCESS))],
};

/// The three have a name of their own for the count, and the same number.
static PARTIAL_SUCCESS: Message = Message {
    name: "opentelemetry.proto.collector.ExportPartialSuccess",
    fields: &[
        field(1, "rejected_spans", "rejectedSpans", Kind::Int64),
        field(1, "rejected_data_points", "rejectedDataPoints", Kind::Int64),
        field(1, "rejected_log_records", "rejectedLogRecords", Kind::Int64),
        field(2, "error_message", "errorMessage", Kind::String),
    ],
};

const fn field(number: u32, name: &'static str, json: &'static str, kind: Kind) -> Field {
    Field { number, name, json, kind, label: Label::Singular }
}

/// Reads the JSON form of an export's response, of any signal. What is not one says nothing, so it reads as
/// complete success: the status decides.
#[must_use]
pub fn read_response(json: &[u8]) -> PartialSuccess {
    read(&RESPONSE, json, &Limits::default()).map(|wire| decode(&wire)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_protobuf_form_says() {
        let check = |json: &str, rejected: u64, message: &str| {
            let expected = PartialSuccess { rejected, message: message.to_owned() };
            assert_eq!(read_response(json.as_bytes()), expected, "{json}");
        };
        check(r#"{"partialSuccess":{}}"#, 0, "");
        check(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#, 3, "too old");
        check(r#"{"partial_success":{"rejected_data_points":3}}"#, 3, "");
        check(r#"{"partialSuccess":{"rejectedLogRecords":"3"},"more":[1]}"#, 3, "");
        check(r#"{"partialSuccess":{"rejectedSpans":"-3","errorMessage":"a warning"}}"#, 0, "a warning");
        check("{}", 0, "");
        check("", 0, "");
        check("<html>", 0, "");
        check(r#"{"partialSuccess":{"rejectedSpans":"many"}}"#, 0, "");
    }
}
