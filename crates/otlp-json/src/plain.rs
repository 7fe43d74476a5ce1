//! A value as text, as the Collector's `pcommon.Value.AsString` has it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use otlp::view::AnyValue;

use crate::text::push_string;

/// Values nested deeper are shown as `null`.
const MAX_DEPTH: usize = 64;

/// A value as text: strings as they are, numbers as in JSON, bytes in base64, lists and maps as JSON, nothing for no
/// value. Map keys are sorted, the last of equal ones counts; what is nested deeper than 64 is `null`.
#[must_use]
pub fn plain(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Empty | AnyValue::StringIndex(_) => String::new(),
        AnyValue::String(text) => text.to_str().into_owned(),
        AnyValue::Bool(truth) => truth.to_string(),
        AnyValue::Int(int) => int.to_string(),
        AnyValue::Double(double) => plain_number(*double),
        AnyValue::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
        AnyValue::Array(_) | AnyValue::KvList(_) => {
            let mut json = Vec::new();
            push_json(&mut json, value, 0);
            // What comes from checked bytes is UTF-8.
            String::from_utf8(json)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
    }
}

/// A number as in JSON: an exponent below 1e-6 and from 1e21 on, without leading zeros.
fn plain_number(number: f64) -> String {
    if !number.is_finite() {
        let name = match (number.is_nan(), number > 0.0) {
            (true, _) => "NaN",
            (false, true) => "+Inf",
            (false, false) => "-Inf",
        };
        return format!("json: unsupported value: {name}");
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => text,
    }
}

fn push_json(out: &mut Vec<u8>, value: &AnyValue<'_>, depth: usize) {
    let quoted = |out: &mut Vec<u8>, text: &[u8]| {
        out.push(b'"');
        push_string(out, text);
    };
    match value {
        _ if depth > MAX_DEPTH => out.extend(b"null"),
        AnyValue::Empty | AnyValue::StringIndex(_) => out.extend(b"null"),
        AnyValue::String(text) => quoted(out, text.as_bytes()),
        AnyValue::Bytes(bytes) => quoted(out, BASE64_STANDARD.encode(bytes).as_bytes()),
        AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Double(_) => out.extend(plain(value).as_bytes()),
        AnyValue::Array(values) => {
            out.push(b'[');
            for (index, value) in values.clone().enumerate() {
                out.extend(if index == 0 { "" } else { "," }.as_bytes());
                push_json(out, &value, depth + 1);
            }
            out.push(b']');
        }
        AnyValue::KvList(list) => {
            let sorted: BTreeMap<_, _> = list.clone().map(|entry| (entry.key(), entry.value())).collect();
            out.push(b'{');
            for (index, (key, value)) in sorted.iter().enumerate() {
                out.extend(if index == 0 { "" } else { "," }.as_bytes());
                quoted(out, key.as_bytes());
                out.push(b':');
                push_json(out, value, depth + 1);
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1 as pb;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use otlp::view::View as _;
    use prost::Message as _;

    use super::*;

    #[track_caller]
    fn check(value: Option<Value>, expected: &str) {
        let bytes = pb::AnyValue { value }.encode_to_vec();
        assert_eq!(plain(&AnyValue::new(&bytes)), expected);
    }

    #[test]
    fn values_look_as_in_the_collector() {
        let any = |value| pb::AnyValue { value: Some(value) };
        let entry =
            |key: &str, value| pb::KeyValue { key: key.into(), value: Some(any(value)), key_strindex: 0 };
        check(None, "");
        check(Some(Value::StringValue("a\"b".into())), "a\"b");
        check(Some(Value::BoolValue(true)), "true");
        check(Some(Value::IntValue(-5)), "-5");
        check(Some(Value::DoubleValue(3.0)), "3");
        check(Some(Value::BytesValue(b"hi".to_vec())), "aGk=");
        let values =
            vec![any(Value::StringValue("x\"\n".into())), any(Value::IntValue(1)), pb::AnyValue::default()];
        check(Some(Value::ArrayValue(pb::ArrayValue { values })), "[\"x\\\"\\n\",1,null]");
        let values = vec![
            entry("b", Value::DoubleValue(1.5)),
            entry("a", Value::BoolValue(false)),
            entry("b", Value::BytesValue(vec![0])),
        ];
        check(Some(Value::KvlistValue(pb::KeyValueList { values })), "{\"a\":false,\"b\":\"AA==\"}");
    }

    #[test]
    fn numbers_look_as_in_json() {
        let cases = [
            (0.0, "0"),
            (-1.5, "-1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1.25e-7, "1.25e-7"),
            (f64::NAN, "json: unsupported value: NaN"),
            (f64::NEG_INFINITY, "json: unsupported value: -Inf"),
        ];
        for (number, expected) in cases {
            assert_eq!(plain_number(number), expected);
        }
    }
}
