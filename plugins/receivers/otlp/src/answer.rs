//! What clients are answered.

use bytes::Bytes;
use otlp::response::{PartialSuccess, encode};

use crate::intake::Receipt;

/// The answer as protobuf.
pub(crate) fn protobuf(receipt: &Receipt) -> Bytes {
    let partial = receipt
        .rejected
        .as_ref()
        .map(|(rejected, message)| PartialSuccess { rejected: *rejected, message: message.to_string() });
    encode(&partial.unwrap_or_default())
}

/// The answer as JSON. `items` is how the signal's field is called: `Spans`, `DataPoints`, `LogRecords`.
pub(crate) fn json(receipt: &Receipt, items: &str) -> Bytes {
    let Some((rejected, message)) = &receipt.rejected else {
        return Bytes::from_static(br#"{"partialSuccess":{}}"#);
    };
    let message = serde_json::Value::from(&**message);
    format!(r#"{{"partialSuccess":{{"rejected{items}":"{rejected}","errorMessage":{message}}}}}"#).into()
}
