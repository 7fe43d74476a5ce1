//! The body of PutTraceSegments: documents as JSON strings in a JSON array.

use std::borrow::Cow;

const HEAD: &[u8] = b"{\"TraceSegmentDocuments\":[";
const TAIL: &[u8] = b"]}";

/// Bytes that are looked at together. Each grows to two at most, or goes the slow way.
const BLOCK: usize = 32;

/// Bytes of a body beside its documents, and of each document beside its escaped text.
pub(crate) const FRAME: usize = HEAD.len() + TAIL.len();
pub(crate) const PER_DOCUMENT: usize = 3;

/// One request's body.
pub(crate) fn body<'a>(documents: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let (count, bytes) =
        documents.clone().fold((0, 0), |(count, bytes), document| (count + 1, bytes + document.len()));
    // Of a document about every tenth byte is a quote.
    let mut out = Vec::with_capacity(FRAME + bytes + bytes / 5 + count * PER_DOCUMENT);
    out.extend_from_slice(HEAD);
    let mut first = true;
    for document in documents {
        out.extend_from_slice(if first { b"\"" } else { b",\"" });
        first = false;
        escape(&utf8(document), &mut out);
        out.push(b'"');
    }
    out.extend_from_slice(TAIL);
    out
}

/// The text of a document; what is not UTF-8 in what a client sent becomes U+FFFD, as JSON has no other way.
fn utf8(document: &[u8]) -> Cow<'_, [u8]> {
    match simdutf8::basic::from_utf8(document) {
        Ok(text) => Cow::Borrowed(text.as_bytes()),
        Err(_) => Cow::Owned(String::from_utf8_lossy(document).into_owned().into_bytes()),
    }
}

/// Appends UTF-8 text as it stands inside a JSON string.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for block in text.chunks(BLOCK) {
        // One pass without branches, which the compiler turns into vector instructions.
        let is_plain = block.iter().fold(true, |plain, byte| plain & !matches!(byte, 0..0x20 | b'"' | b'\\'));
        if is_plain {
            out.extend_from_slice(block);
        } else {
            escape_block(block, out);
        }
    }
}

fn escape_block(block: &[u8], out: &mut Vec<u8>) {
    if block.iter().fold(false, |any, byte| any | (*byte < 0x20)) {
        return block.iter().for_each(|byte| escape_byte(*byte, out));
    }
    // A backslash is written before every byte and overwritten where there should be none: quotes come so often in
    // JSON that asking would cost more.
    let mut escaped = [0_u8; 2 * BLOCK];
    let mut len = 0;
    for byte in block {
        escaped[len % (2 * BLOCK)] = b'\\';
        len += usize::from(matches!(byte, b'"' | b'\\'));
        escaped[len % (2 * BLOCK)] = *byte;
        len += 1;
    }
    out.extend_from_slice(escaped.get(..len).unwrap_or(&escaped));
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            out.extend_from_slice(b"\\u00");
            out.extend([HEX[usize::from(byte >> 4) & 15], HEX[usize::from(byte) & 15]]);
        }
        _ => out.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read_back(documents: &[&[u8]]) -> Vec<String> {
        let body = body(documents.iter().copied());
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
        // Every length around a block, with a quote at every place.
        for len in 0..70 {
            for at in 0..len {
                let mut text = vec![b'x'; len];
                text[at] = b'"';
                assert_eq!(read_back(&[&text]), [String::from_utf8_lossy(&text)]);
            }
        }
    }

    #[test]
    fn what_is_no_text_is_made_one() {
        assert_eq!(read_back(&[b"{\"a\":\"\xff\"}"]), ["{\"a\":\"\u{fffd}\"}"]);
    }
}
