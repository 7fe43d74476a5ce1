//! The schema against the descriptors that come with `opentelemetry-proto`.

use std::collections::BTreeMap;

use collimator_otlp::Signal;
use collimator_otlp::schema::{Enum, Field, Kind, Label, Message};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label as Times, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

#[derive(Default)]
struct Descriptors {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
}

impl Descriptors {
    fn load() -> Self {
        let mut all = Self::default();
        for file in FileDescriptorSet::decode(opentelemetry_proto::DESCRIPTORS).unwrap().file {
            let package = file.package().to_owned();
            for message in file.message_type {
                all.add_message(&package, message);
            }
            for one in file.enum_type {
                all.enums.insert(format!("{package}.{}", one.name()), one);
            }
        }
        all
    }

    fn add_message(&mut self, path: &str, message: DescriptorProto) {
        let path = format!("{path}.{}", message.name());
        for inner in &message.nested_type {
            self.add_message(&path, inner.clone());
        }
        for inner in &message.enum_type {
            self.enums.insert(format!("{path}.{}", inner.name()), inner.clone());
        }
        self.messages.insert(path, message);
    }
}

#[test]
fn schema_is_what_the_descriptors_say() {
    let descriptors = Descriptors::load();
    let mut seen: Vec<&'static Message> = Signal::ALL.map(Signal::schema).to_vec();
    let mut at = 0;
    while let Some(message) = seen.get(at).copied() {
        at += 1;
        compare_message(&descriptors, message);
        for field in message.fields {
            match field.kind {
                Kind::Message(inner) if !seen.iter().any(|known| std::ptr::eq(*known, inner)) => {
                    seen.push(inner)
                }
                Kind::Enum(inner) => compare_enum(&descriptors, inner),
                _ => {}
            }
        }
    }
    assert_eq!(at, 34);
}

fn compare_message(descriptors: &Descriptors, message: &Message) {
    let descriptor = &descriptors.messages[message.name];
    let numbers: Vec<u32> = message.fields.iter().map(|field| field.number).collect();
    let mut expected: Vec<u32> = descriptor.field.iter().map(|field| field.number() as u32).collect();
    expected.sort_unstable();
    assert_eq!(numbers, expected, "{}", message.name);
    for field in message.fields {
        let known = descriptor.field.iter().find(|known| known.number() as u32 == field.number).unwrap();
        compare_field(message, field, known);
    }
    // What is told apart by one bit per message must be one oneof.
    let real = descriptor.field.iter().filter(|field| !field.proto3_optional());
    let mut oneofs: Vec<i32> = real.filter_map(|field| field.oneof_index).collect();
    oneofs.dedup();
    assert!(oneofs.len() <= 1, "{}", message.name);
}

fn compare_field(message: &Message, field: &Field, known: &FieldDescriptorProto) {
    let name = format!("{}.{}", message.name, field.name);
    assert_eq!(known.name(), field.name, "{name}");
    assert_eq!(known.json_name(), field.json, "{name}");
    let label = match known.label() {
        Times::Repeated if matches!(known.r#type(), Type::Message | Type::String | Type::Bytes) => {
            Label::Repeated
        }
        Times::Repeated => Label::Packed,
        _ if known.proto3_optional() => Label::Optional,
        _ if known.oneof_index.is_some() => Label::Oneof,
        _ => Label::Singular,
    };
    assert_eq!(field.label, label, "{name}");
    let type_of = match field.kind {
        Kind::Bool => Type::Bool,
        Kind::Int32 => Type::Int32,
        Kind::Int64 => Type::Int64,
        Kind::Uint32 => Type::Uint32,
        Kind::Uint64 => Type::Uint64,
        Kind::Sint32 => Type::Sint32,
        Kind::Sint64 => Type::Sint64,
        Kind::Fixed32 => Type::Fixed32,
        Kind::Fixed64 => Type::Fixed64,
        Kind::Sfixed32 => Type::Sfixed32,
        Kind::Sfixed64 => Type::Sfixed64,
        Kind::Double => Type::Double,
        Kind::String => Type::String,
        Kind::Bytes | Kind::TraceId | Kind::SpanId => Type::Bytes,
        Kind::Enum(inner) => {
            assert_eq!(known.type_name(), format!(".{}", inner.name), "{name}");
            Type::Enum
        }
        Kind::Message(inner) => {
            assert_eq!(known.type_name(), format!(".{}", inner.name), "{name}");
            Type::Message
        }
    };
    assert_eq!(known.r#type(), type_of, "{name}");
    assert_eq!(matches!(field.kind, Kind::TraceId), field.name == "trace_id", "{name}");
    assert_eq!(matches!(field.kind, Kind::SpanId), field.name.ends_with("span_id"), "{name}");
}

fn compare_enum(descriptors: &Descriptors, found: &Enum) {
    let expected: Vec<(&str, i32)> =
        descriptors.enums[found.name].value.iter().map(|value| (value.name(), value.number())).collect();
    assert_eq!(found.values, expected, "{}", found.name);
}
