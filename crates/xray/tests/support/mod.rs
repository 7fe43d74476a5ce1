//! Spans written as JSON, translated, and documents compared.

#![allow(dead_code, reason = "not every test uses everything")]

use std::collections::HashSet;

use collimator_xray::from_span::{Documents, Options, Translator};
use collimator_xray::json::scan;
use serde_json::{Map, Value, json};

/// The span id of spans made here.
pub(crate) const SPAN: &str = "00f067aa0ba902b7";
/// Their parent, if they have one.
pub(crate) const PARENT: &str = "6f067aa0ba902b70";

/// A request in OTLP/JSON as wire bytes.
pub(crate) fn wire(request: &Value) -> Vec<u8> {
    let text = serde_json::to_vec(request).expect("JSON");
    otlp_json::read(&otlp::schema::TRACES, &text, &otlp_json::Limits::default()).expect("OTLP/JSON")
}

/// A plain object as OTLP attributes.
pub(crate) fn attributes(object: &Value) -> Value {
    let members = object.as_object().expect("an object").iter();
    members.map(|(key, value)| json!({"key": key, "value": any_value(value)})).collect()
}

fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::String(text) if text == "NaN" => json!({"doubleValue": "NaN"}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Number(number) if number.is_i64() => json!({"intValue": number.to_string()}),
        Value::Number(number) => json!({"doubleValue": number}),
        Value::Array(values) => {
            json!({"arrayValue": {"values": values.iter().map(any_value).collect::<Vec<_>>()}})
        }
        Value::Object(_) => json!({"kvlistValue": {"values": attributes(value)}}),
    }
}

/// The documents of a request.
pub(crate) fn translated(request: &[u8], options: Options) -> (Documents, Vec<Value>) {
    let mut documents = Documents::default();
    Translator::new(options, 7).translate(request, 1_700_000_000, &mut documents);
    let parsed = documents.entries.iter().map(|entry| {
        let text = documents.text(entry);
        serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", text.escape_ascii()))
    });
    let parsed = parsed.collect();
    (documents, parsed)
}

/// `base` with the members of `changes` put in; `null` takes one out.
pub(crate) fn with(base: &Value, changes: &Value) -> Value {
    let mut result = base.as_object().expect("an object").clone();
    for (key, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            result.remove(key);
        } else {
            result.insert(key.clone(), value.clone());
        }
    }
    Value::Object(result)
}

/// Replaces ids that were made by the translation, in their order, by `<1>`, `<2>`, …
pub(crate) fn name_ids(value: &mut Value, known: &[&str]) {
    let mut seen = Vec::new();
    name_ids_in(value, "", known, &mut seen);
}

fn name_ids_in(value: &mut Value, key: &str, known: &[&str], seen: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                name_ids_in(value, key, known, seen);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| name_ids_in(value, key, known, seen)),
        Value::String(text)
            if ["id", "parent_id", "cause"].contains(&key)
                && text.len() == 16
                && !known.contains(&text.as_str()) =>
        {
            let at = seen.iter().position(|id| id == text).unwrap_or_else(|| {
                seen.push(text.clone());
                seen.len() - 1
            });
            *text = format!("<{}>", at + 1);
        }
        _ => {}
    }
}

/// Numbers that say the same are the same: `2` and `2.0`.
pub(crate) fn same_numbers(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(same_numbers),
        Value::Array(values) => values.iter_mut().for_each(same_numbers),
        Value::Number(number) if number.is_f64() => {
            let double = number.as_f64().unwrap_or_default();
            if double.fract() == 0.0 && double.abs() < 1e15 {
                *value = json!(double as i64);
            }
        }
        _ => {}
    }
}

/// The members of an object that are not null, in every depth.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// Checks that no object in a text of JSON has two members of one name, which [`Value`] would not tell.
#[track_caller]
pub(crate) fn assert_unique(text: &[u8]) {
    let mut open = vec![text];
    while let Some(value) = open.pop() {
        let mut names = HashSet::new();
        for (name, value) in scan::members_of(value) {
            assert!(names.insert(scan::unescape(name)), "{} twice", name.escape_ascii());
            open.push(value);
        }
        open.extend(scan::elements_of(value));
    }
}
