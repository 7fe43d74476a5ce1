//! One document that was refused, as a line of JSON.

use serde_json::Value;

/// A document that X-Ray refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, as RFC 3339 writes it.
    pub time: String,
    /// The code of the refusal.
    pub code: String,
    /// What X-Ray said.
    pub message: String,
    /// The document as it was sent.
    pub document: String,
}

/// Appends a document as a line.
pub(crate) fn write(out: &mut Vec<u8>, time: &str, code: &str, message: &str, document: &str) {
    let mut begin = b"{";
    for (key, text) in [("code", code), ("document", document), ("message", message), ("time", time)] {
        out.extend_from_slice(begin);
        out.extend_from_slice(format!("\"{key}\":").as_bytes());
        // Neither a text nor memory refuses.
        serde_json::to_writer(&mut *out, text).ok();
        begin = b",";
    }
    out.extend_from_slice(b"}\n");
}

impl Record {
    /// Appends the record as a line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write(out, &self.time, &self.code, &self.message, &self.document);
    }

    /// Reads a line; none if it is not one of ours, or was cut.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let line: Value = serde_json::from_slice(line).ok()?;
        let text = |key| line.get(key).and_then(Value::as_str).map(str::to_owned);
        let (time, code, message) = (text("time")?, text("code")?, text("message")?);
        Some(Self { time, code, message, document: text("document")? })
    }
}
