//! Values of any type in a configuration.

use config::{Json, Node, Reader, Setting, Value};
use otlp::Text;
use otlp::view::{AnyValue, Attributes, View as _};
use otlp::wire::{write_fixed64_field, write_len_field, write_nested, write_varint_field};

/// A value of any type, as YAML has it: for an attribute to be set to or compared with. Null is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Literal(Option<Known>);

#[derive(Clone, Debug, PartialEq)]
enum Known {
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    List(Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

impl Literal {
    /// Text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(Some(Known::String(text.to_owned())))
    }

    /// A whole number.
    #[must_use]
    pub fn int(int: i64) -> Self {
        Self(Some(Known::Int(int)))
    }

    /// A number.
    #[must_use]
    pub fn double(double: f64) -> Self {
        Self(Some(Known::Double(double)))
    }

    /// Truth.
    #[must_use]
    pub fn bool(truth: bool) -> Self {
        Self(Some(Known::Bool(truth)))
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Some(Known::String(text)) => Some(text),
            _ => None,
        }
    }

    /// What the Collector calls the type.
    #[must_use]
    pub fn type_of(&self) -> &'static str {
        match &self.0 {
            None => "Empty",
            Some(Known::Bool(_)) => "Bool",
            Some(Known::Int(_)) => "Int",
            Some(Known::Double(_)) => "Double",
            Some(Known::String(_)) => "Str",
            Some(Known::List(_)) => "Slice",
            Some(Known::Map(_)) => "Map",
        }
    }

    /// The value as an encoded `AnyValue`, without tag and length; empty for none.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            None => {}
            Some(Known::String(text)) => write_len_field(out, 1, text.as_bytes()),
            Some(Known::Bool(truth)) => write_varint_field(out, 2, u64::from(*truth)),
            Some(Known::Int(int)) => write_varint_field(out, 3, int.cast_unsigned()),
            Some(Known::Double(double)) => write_fixed64_field(out, 4, double.to_bits()),
            Some(Known::List(items)) => write_nested(out, 5, |out| {
                for item in items {
                    write_nested(out, 1, |out| item.write(out));
                }
            }),
            Some(Known::Map(entries)) => write_nested(out, 6, |out| {
                for (key, value) in entries {
                    write_nested(out, 1, |out| {
                        write_len_field(out, 1, key.as_bytes());
                        write_nested(out, 2, |out| value.write(out));
                    });
                }
            }),
        }
    }

    fn of(node: &Node) -> Self {
        Self(Some(match &node.value {
            Value::Null => return Self(None),
            Value::Bool(truth) => Known::Bool(*truth),
            // The upper half of unsigned numbers turns negative, as in the Collector.
            Value::Int(int) => Known::Int(*int as i64),
            Value::Float(double) => Known::Double(*double),
            Value::String(text) => Known::String(text.clone()),
            Value::Seq(items) => Known::List(items.iter().map(Self::of).collect()),
            Value::Map(entries) => {
                Known::Map(entries.iter().map(|(key, value)| (key.text.clone(), Self::of(value))).collect())
            }
        }))
    }
}

impl Setting for Literal {
    fn type_name() -> String {
        "any value".into()
    }

    fn schema(&self) -> Json {
        Json::Object(Default::default())
    }

    fn read(&mut self, node: &Node, _reader: &mut Reader<'_>) {
        *self = Self::of(node);
    }

    fn render(&self) -> Json {
        match &self.0 {
            None => Json::Null,
            Some(Known::Bool(truth)) => Json::from(*truth),
            Some(Known::Int(int)) => Json::from(*int),
            Some(Known::Double(double)) => Setting::render(double),
            Some(Known::String(text)) => Json::from(text.as_str()),
            Some(Known::List(items)) => items.iter().map(Setting::render).collect(),
            Some(Known::Map(entries)) => {
                Json::Object(entries.iter().map(|(key, value)| (key.clone(), value.render())).collect())
            }
        }
    }
}

/// Whether two values are of one type and equal. The order of maps does not matter.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    same_values(&AnyValue::new(one), &AnyValue::new(other))
}

fn same_values(one: &AnyValue<'_>, other: &AnyValue<'_>) -> bool {
    match (one, other) {
        (AnyValue::Empty, AnyValue::Empty) => true,
        (AnyValue::String(one), AnyValue::String(other)) => one == other,
        (AnyValue::Bool(one), AnyValue::Bool(other)) => one == other,
        (AnyValue::Int(one), AnyValue::Int(other)) => one == other,
        (AnyValue::Double(one), AnyValue::Double(other)) => one == other,
        (AnyValue::Bytes(one), AnyValue::Bytes(other)) => one == other,
        (AnyValue::Array(one), AnyValue::Array(other)) => {
            let (mut one, mut other) = (one.clone(), other.clone());
            loop {
                match (one.next(), other.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if same_values(&one, &other) => {}
                    _ => return false,
                }
            }
        }
        (AnyValue::KvList(one), AnyValue::KvList(other)) => {
            let (one, other) = (sorted(one), sorted(other));
            let mut pairs = one.iter().zip(&other);
            one.len() == other.len()
                && pairs.all(|((key, value), (other_key, other_value))| {
                    key == other_key && same(value, other_value)
                })
        }
        _ => false,
    }
}

/// The entries of a map by key, with encoded values.
fn sorted<'a>(map: &Attributes<'a>) -> Vec<(Text<'a>, &'a [u8])> {
    let mut entries: Vec<_> = map.clone().map(|entry| (entry.key(), entry.value_bytes())).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

#[cfg(test)]
mod tests {
    use config::{Fields, Section};
    use opentelemetry_proto::tonic::common::v1 as pb;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Pb;
    use prost::Message as _;

    use super::*;

    #[derive(Clone, Default)]
    struct One {
        value: Literal,
    }

    impl Section for One {
        fn describe(fields: &mut Fields<Self>) {
            fields.field("value", "A value.", |c| &mut c.value);
        }
    }

    fn read(yaml: &str) -> Literal {
        config::read_text::<One>(&format!("value: {yaml}")).unwrap_or_else(|error| panic!("{error}")).value
    }

    #[test]
    fn values_keep_the_types_that_yaml_gives_them() {
        let any = |value| pb::AnyValue { value: Some(value) };
        let check = |yaml: &str, expected: Pb, name: &str, shown: &str| {
            let literal = read(yaml);
            let decoded = pb::AnyValue::decode(&literal.encode()[..]).expect("a value");
            assert_eq!(decoded, any(expected), "{yaml}");
            assert_eq!((literal.type_of(), literal.render().to_string().as_str()), (name, shown));
        };
        check("12", Pb::IntValue(12), "Int", "12");
        check("0x10", Pb::IntValue(16), "Int", "16");
        check("18446744073709551615", Pb::IntValue(-1), "Int", "-1");
        check("1.0", Pb::DoubleValue(1.0), "Double", "1.0");
        check("true", Pb::BoolValue(true), "Bool", "true");
        check("yes", Pb::StringValue("yes".into()), "Str", "\"yes\"");
        check("'12'", Pb::StringValue("12".into()), "Str", "\"12\"");
        check("''", Pb::StringValue(String::new()), "Str", "\"\"");
        let values = vec![any(Pb::IntValue(1)), pb::AnyValue::default()];
        check("[1, null]", Pb::ArrayValue(pb::ArrayValue { values }), "Slice", "[1,null]");
        let values =
            vec![pb::KeyValue { key: "a".into(), value: Some(any(Pb::BoolValue(false))), key_strindex: 0 }];
        check("{a: false}", Pb::KvlistValue(pb::KeyValueList { values }), "Map", "{\"a\":false}");
        assert!(read("").is_none() && read("null").encode().is_empty());
    }

    #[test]
    fn equal_values_are_of_one_type() {
        let values = [
            "1",
            "1.0",
            "true",
            "'1'",
            "''",
            "null",
            "[1, 2]",
            "[2, 1]",
            "[1]",
            "{a: 1, b: {c: [x]}}",
            "{a: 1}",
            "{b: 1}",
        ];
        for (index, one) in values.iter().enumerate() {
            for (other_index, other) in values.iter().enumerate() {
                let equal = same(&read(one).encode(), &read(other).encode());
                assert_eq!(equal, index == other_index, "{one} and {other}");
            }
        }
        assert!(same(
            &read("{a: 1, b: {c: [x], d: 2}}").encode(),
            &read("{b: {d: 2, c: [x]}, a: 1}").encode()
        ));
    }
}
