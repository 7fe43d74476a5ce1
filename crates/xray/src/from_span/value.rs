//! Attribute values as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use otlp::view::{AnyValue, Attributes, View};

use crate::json;

/// The deepest nesting of values that is written; the edge lets no deeper one in.
const MAX_DEPTH: u32 = 100;

/// Appends a value: bytes in base64, maps as objects with sorted keys, no value as `null`, and a number that JSON has no
/// form for as a string.
pub(super) fn write(out: &mut Vec<u8>, value: AnyValue<'_>) {
    write_nested(out, value, MAX_DEPTH);
}

/// The same for the bytes of an `AnyValue`. Nearly all are short texts, told by tag and length.
#[inline]
pub(super) fn write_raw(out: &mut Vec<u8>, raw: &[u8]) {
    match short_text(raw) {
        Some(text) => json::string(out, text),
        None => write(out, AnyValue::new(raw)),
    }
}

#[inline]
fn short_text(raw: &[u8]) -> Option<&[u8]> {
    match raw {
        [0x0a, len @ 0..0x80, text @ ..] if text.len() == usize::from(*len) => Some(text),
        _ => None,
    }
}

/// [`is_simple`] for the bytes of an `AnyValue`.
#[inline]
pub(super) fn is_simple_raw(raw: &[u8]) -> bool {
    short_text(raw).is_some() || is_simple(&AnyValue::new(raw))
}

/// [`is_some`] for the bytes of an `AnyValue`.
#[inline]
pub(super) fn is_some_raw(raw: &[u8]) -> bool {
    short_text(raw).is_some() || is_some(&AnyValue::new(raw))
}

/// Appends an object of attributes, sorted by key.
pub(super) fn write_map(out: &mut Vec<u8>, attributes: Attributes<'_>) {
    write_map_nested(out, attributes, MAX_DEPTH);
}

/// Whether an annotation can hold the value: text, a truth, or a number that JSON has a form for.
pub(super) fn is_simple(value: &AnyValue<'_>) -> bool {
    match value {
        AnyValue::String(_) | AnyValue::Bool(_) | AnyValue::Int(_) => true,
        AnyValue::Double(value) => value.is_finite(),
        _ => false,
    }
}

/// Whether there is a value at all.
pub(super) fn is_some(value: &AnyValue<'_>) -> bool {
    !matches!(value, AnyValue::Empty | AnyValue::StringIndex(_))
}

fn write_nested(out: &mut Vec<u8>, value: AnyValue<'_>, depth: u32) {
    match value {
        AnyValue::String(text) => json::string(out, text.as_bytes()),
        AnyValue::Int(value) => json::int(out, value),
        AnyValue::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        AnyValue::Double(value) => json::double(out, value),
        AnyValue::Array(values) if depth > 0 => {
            out.push(b'[');
            for (index, value) in values.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_nested(out, value, depth - 1);
            }
            out.push(b']');
        }
        AnyValue::KvList(attributes) if depth > 0 => write_map_nested(out, attributes, depth - 1),
        AnyValue::Bytes(bytes) => json::string(out, STANDARD.encode(bytes).as_bytes()),
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_map_nested(out: &mut Vec<u8>, attributes: Attributes<'_>, depth: u32) {
    let mut sorted: Vec<_> = attributes.map(|attribute| (attribute.key(), attribute)).collect();
    sorted.sort_by_key(|(key, _)| *key);
    out.push(b'{');
    let mut first = true;
    for (at, (key, attribute)) in sorted.iter().enumerate() {
        // Of equal keys the last counts.
        if sorted.get(at + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        json::string(out, key.as_bytes());
        out.push(b':');
        write_nested(out, attribute.value(), depth);
    }
    out.push(b'}');
}
