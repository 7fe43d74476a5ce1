//! JSON of any shape as OTLP's `AnyValue`.

use std::collections::BTreeMap;

use otlp::wire::{write_fixed64_field, write_len_field, write_varint_field};

use super::attributes::nested;
use super::scan::{Place, Scanner, Text};

/// The members of `AnyValue`.
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const MAP: u32 = 6;
/// `ArrayValue.values`, `KeyValueList.values`.
const VALUES: u32 = 1;
/// `KeyValue.key`, `KeyValue.value`.
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// Levels of arrays and maps. Each of maps is three messages, and most readers of Protobuf go 100 deep.
const MAX_DEPTH: usize = 30;

/// Appends the members of an `AnyValue`: none for null. `json` was read already. What lies deeper than 30 levels is a
/// string of JSON; so is a number that no double holds.
pub(super) fn write(json: &[u8], depth: usize, out: &mut Vec<u8>) {
    match json {
        b"null" => {}
        b"true" => write_varint_field(out, BOOL, 1),
        b"false" => write_varint_field(out, BOOL, 0),
        [b'"', ..] => {
            let text = Scanner::new(json).string().unwrap_or_default();
            write_len_field(out, STRING, &text.get(json));
        }
        [b'{' | b'[', ..] if depth >= MAX_DEPTH => {
            let mut text = Vec::new();
            super::canonical::write(json, &mut text);
            write_len_field(out, STRING, &text);
        }
        [b'{', ..] => nested(out, MAP, 2, |out| map(json, depth, out)),
        [b'[', ..] => nested(out, ARRAY, 2, |out| {
            for value in elements(json) {
                nested(out, VALUES, 2, |out| write(value.get(json), depth + 1, out));
            }
        }),
        number => self::number(number, out),
    }
}

/// The entries of a map; of several of one name the last.
fn map(json: &[u8], depth: usize, out: &mut Vec<u8>) {
    let entries: BTreeMap<_, _> =
        members(json).into_iter().map(|(key, value)| (key.get(json), value)).collect();
    for (key, value) in entries {
        nested(out, VALUES, 2, |out| {
            write_len_field(out, KEY, &key);
            nested(out, VALUE, 2, |out| write(value.get(json), depth + 1, out));
        });
    }
}

fn number(number: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(number).unwrap_or_default();
    if let Ok(whole) = text.parse::<i64>() {
        write_varint_field(out, INT, whole as u64);
        return;
    }
    match text.parse::<f64>() {
        Ok(double) if double.is_finite() => write_fixed64_field(out, DOUBLE, double.to_bits()),
        _ => write_len_field(out, STRING, number),
    }
}

/// The elements of an array that was read already.
fn elements(json: &[u8]) -> Vec<Place> {
    let mut scan = Scanner::new(json);
    let mut elements = Vec::new();
    let mut more = scan.open(b'[', b']').is_ok_and(|empty| !empty);
    while more {
        let Ok(value) = scan.skip(0) else { break };
        elements.push(value);
        more = scan.more(b']').unwrap_or_default();
    }
    elements
}

/// The members of an object that was read already.
pub(super) fn members(json: &[u8]) -> Vec<(Text, Place)> {
    let mut scan = Scanner::new(json);
    let mut members = Vec::new();
    let mut more = scan.open(b'{', b'}').is_ok_and(|empty| !empty);
    while more {
        let (Ok(name), Ok(value)) = (scan.name(), scan.skip(0)) else { break };
        members.push((name, value));
        more = scan.more(b'}').unwrap_or_default();
    }
    members
}
