//! The body of PutTraceSegments: documents as JSON strings in a JSON array.

use std::borrow::Cow;

use xray::json::escape::escape;

use crate::work::MAX_DOCUMENTS;

const HEAD: &[u8] = b"{\"TraceSegmentDocuments\":[";
const TAIL: &[u8] = b"]}";

/// Bytes of a body beside its documents, and of each document beside its escaped text.
pub(crate) const FRAME: usize = HEAD.len() + TAIL.len();
pub(crate) const PER_DOCUMENT: usize = 3;

/// One request's body, of documents that have about so many bytes together.
pub(crate) fn body<'a>(bytes: usize, documents: impl Iterator<Item = Cow<'a, [u8]>>) -> Vec<u8> {
    // Of a document about every tenth byte is a quote.
    let mut out = Vec::with_capacity(FRAME + bytes + bytes / 5 + MAX_DOCUMENTS * PER_DOCUMENT);
    out.extend_from_slice(HEAD);
    let mut first = true;
    for document in documents {
        out.extend_from_slice(if first { b"\"" } else { b",\"" });
        first = false;
        escape(&document, &mut out);
        out.push(b'"');
    }
    out.extend_from_slice(TAIL);
    out
}

/// How long a document is as it stands in a body, at most.
pub(crate) fn escaped_len(document: &[u8]) -> usize {
    /// Below this, fifty documents fit into any body even if all of them is quotes.
    const SMALL: usize = 8 << 10;
    if document.len() <= SMALL {
        return document.len() * 2;
    }
    let escaped = document.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    let control = document.iter().filter(|byte| **byte < 0x20).count();
    // A control character is \u00XX. What is not UTF-8 becomes three bytes where it was one at least.
    let replaced = if simdutf8::basic::from_utf8(document).is_ok() { 0 } else { document.len() * 2 };
    document.len() + escaped + control * 5 + replaced
}

/// The text of a document; what is not UTF-8 in what a client sent becomes U+FFFD, as JSON has no other way.
pub(crate) fn utf8(document: &[u8]) -> Cow<'_, [u8]> {
    match simdutf8::basic::from_utf8(document) {
        Ok(text) => Cow::Borrowed(text.as_bytes()),
        Err(_) => Cow::Owned(String::from_utf8_lossy(document).into_owned().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read_back(documents: &[&[u8]]) -> Vec<String> {
        let body = body(0, documents.iter().map(|document| utf8(document)));
        let value: Value = serde_json::from_slice(&body).expect("the body is JSON");
        let documents = value["TraceSegmentDocuments"].as_array().expect("a list");
        documents.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    #[test]
    fn documents_come_out_as_they_went_in() {
        let every_byte: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let long = format!("{{\"name\":\"{}\\n\",\"id\":\"\\\\\"}}\n", "ä\u{2028}".repeat(100));
        let texts = ["", "{}", "\"", "\\", every_byte.as_str(), long.as_str(), "{\"a\":\"b\"}"];
        for text in texts {
            assert_eq!(read_back(&[text.as_bytes()]), [text]);
        }
        assert_eq!(read_back(&texts.map(str::as_bytes)), texts);
        assert!(read_back(&[]).is_empty());
    }

    #[test]
    fn what_is_no_text_is_made_one() {
        assert_eq!(read_back(&[b"{\"a\":\"\xff\"}"]), ["{\"a\":\"\u{fffd}\"}"]);
    }
}
