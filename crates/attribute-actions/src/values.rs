//! Values made of values: hashes and conversions. All are encoded `AnyValue`s, without tag and length.

use aws_lc_rs::digest::{SHA256, digest};
use otlp::view::{AnyValue, View as _};
use otlp::wire::{write_fixed64_field, write_len_field, write_varint_field};
use otlp_json::plain;

use crate::action::Target;

/// Appends the SHA-256 of a value, in hexadecimal: of a string's bytes, a number's eight bytes (little endian), a
/// boolean's one. Of anything else, and of the empty string, the empty string.
pub(crate) fn write_hash(value: &[u8], out: &mut Vec<u8>) {
    let hash = match AnyValue::new(value) {
        AnyValue::String(text) if text.is_empty() => None,
        AnyValue::String(text) => Some(digest(&SHA256, text.as_bytes())),
        AnyValue::Bool(truth) => Some(digest(&SHA256, &[u8::from(truth)])),
        AnyValue::Int(int) => Some(digest(&SHA256, &int.to_le_bytes())),
        AnyValue::Double(double) => Some(digest(&SHA256, &double.to_bits().to_le_bytes())),
        AnyValue::Empty
        | AnyValue::Array(_)
        | AnyValue::KvList(_)
        | AnyValue::Bytes(_)
        | AnyValue::StringIndex(_) => None,
    };
    let mut hex = Vec::with_capacity(64);
    for byte in hash.iter().flat_map(|hash| hash.as_ref()) {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        hex.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    write_len_field(out, 1, &hex);
}

/// Appends a value as another type. Returns whether it could be; if it has the type already there is nothing to do.
pub(crate) fn write_converted(value: &[u8], target: Target, out: &mut Vec<u8>) -> bool {
    let value = AnyValue::new(value);
    match target {
        Target::String => match value {
            AnyValue::String(_) => return false,
            other => write_len_field(out, 1, plain(&other).as_bytes()),
        },
        Target::Int => match as_int(&value) {
            Some(int) => write_varint_field(out, 3, int.cast_unsigned()),
            None => return false,
        },
        Target::Double => match as_double(&value) {
            Some(double) => write_fixed64_field(out, 4, double.to_bits()),
            None => return false,
        },
    }
    true
}

fn as_int(value: &AnyValue<'_>) -> Option<i64> {
    match value {
        AnyValue::Double(double) => Some(*double as i64),
        AnyValue::Bool(truth) => Some(i64::from(*truth)),
        AnyValue::String(text) => text.to_str().parse().ok(),
        _ => None,
    }
}

fn as_double(value: &AnyValue<'_>) -> Option<f64> {
    match value {
        AnyValue::Int(int) => Some(*int as f64),
        AnyValue::Bool(truth) => Some(f64::from(u8::from(*truth))),
        AnyValue::String(text) => parse_double(&text.to_str()),
        _ => None,
    }
}

/// As Go's `ParseFloat` does, but for hexadecimal numbers: what is too large for a double is none.
fn parse_double(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let is_word = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_alphabetic());
    let fine = if value.is_nan() { text.len() == 3 } else { value.is_finite() || is_word };
    fine.then_some(value)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{self as pb, ArrayValue};
    use prost::Message as _;

    use super::*;

    fn encoded(value: Option<Value>) -> Vec<u8> {
        pb::AnyValue { value }.encode_to_vec()
    }

    fn string(text: &str) -> Value {
        Value::StringValue(text.to_owned())
    }

    #[test]
    fn hashes_are_the_collectors() {
        let check = |value: Option<Value>, expected: &str| {
            let mut out = Vec::new();
            write_hash(&encoded(value), &mut out);
            assert_eq!(out, encoded(Some(string(expected))));
        };
        // The test vectors of the compatibility reference, which were made by running the Collector.
        check(Some(string("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(Some(Value::IntValue(5)), "f13ee6ed54ea2aae9fc49a9faeb5da6e8ddef0e12ed5d30d35a624ae813e0485");
        check(Some(string("5")), "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d");
        // SHA-256 of one byte, by another program.
        check(
            Some(Value::BoolValue(true)),
            "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
        );
        check(Some(string("")), "");
        check(Some(Value::BytesValue(vec![1])), "");
        check(Some(Value::ArrayValue(ArrayValue::default())), "");
        check(None, "");
    }

    #[test]
    fn values_are_converted_as_the_collector_does() {
        let check = |value: Option<Value>, target: Target, expected: Option<Value>| {
            let mut out = Vec::new();
            let converted = write_converted(&encoded(value.clone()), target, &mut out);
            assert_eq!(converted, expected.is_some(), "{value:?} to {target:?}");
            assert_eq!(out, expected.map(|value| encoded(Some(value))).unwrap_or_default());
        };
        use Target::{Double, Int, String};
        use Value::{BoolValue, DoubleValue, IntValue};
        check(Some(string("123")), Int, Some(IntValue(123)));
        check(Some(string("-7")), Int, Some(IntValue(-7)));
        check(Some(string("+7")), Int, Some(IntValue(7)));
        for text in ["", " 1", "1.5", "1_000", "0x1", "99999999999999999999"] {
            check(Some(string(text)), Int, None);
        }
        check(Some(DoubleValue(-1.9)), Int, Some(IntValue(-1)));
        check(Some(BoolValue(true)), Int, Some(IntValue(1)));
        check(Some(IntValue(1)), Int, None);
        check(None, Int, None);
        check(Some(string("1.5e3")), Double, Some(DoubleValue(1500.0)));
        check(Some(string("-Inf")), Double, Some(DoubleValue(f64::NEG_INFINITY)));
        for text in ["", "x", "1e999", "-nan", "1_0"] {
            check(Some(string(text)), Double, None);
        }
        check(Some(IntValue(3)), Double, Some(DoubleValue(3.0)));
        check(Some(BoolValue(false)), Double, Some(DoubleValue(0.0)));
        check(Some(DoubleValue(1.0)), Double, None);
        check(Some(IntValue(3)), String, Some(string("3")));
        check(Some(DoubleValue(1.5)), String, Some(string("1.5")));
        check(Some(BoolValue(false)), String, Some(string("false")));
        check(Some(Value::BytesValue(b"hi".to_vec())), String, Some(string("aGk=")));
        check(None, String, Some(string("")));
        check(Some(string("3")), String, None);
    }
}
