//! OTLP documents in JSON, made comparable: whoever wrote them, equal items have equal text.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

/// 64-bit integers, which JSON carries as text or number.
const INTEGERS: &[&str] = &[
    "intValue",
    "asInt",
    "timeUnixNano",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "observedTimeUnixNano",
    "count",
    "zeroCount",
    "bucketCounts",
];
/// Doubles, some of which JSON carries as text.
const DOUBLES: &[&str] =
    &["doubleValue", "asDouble", "sum", "min", "max", "explicitBounds", "zeroThreshold", "quantile"];
/// Fields for which being there with their default differs from not being there.
const PRESENCE: &[&str] = &[
    "stringValue",
    "boolValue",
    "intValue",
    "doubleValue",
    "arrayValue",
    "kvlistValue",
    "bytesValue",
    "asInt",
    "asDouble",
    "sum",
    "min",
    "max",
    "gauge",
    "histogram",
    "exponentialHistogram",
    "summary",
    "value",
];

/// The lines of a file, each a document.
#[must_use]
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ids of all spans in a file that the file exporter wrote.
#[must_use]
pub fn span_ids(path: &Path) -> Vec<u64> {
    let items = lines(path).iter().flat_map(items).collect::<Vec<_>>();
    let ids = items.iter().filter_map(|item| item["item"]["spanId"].as_str());
    ids.map(|id| u64::from_str_radix(id, 16).unwrap()).collect()
}

/// Asserts that no id is there twice, and gives the set.
#[must_use]
pub fn distinct(ids: Vec<u64>) -> BTreeSet<u64> {
    let count = ids.len();
    let set: BTreeSet<u64> = ids.into_iter().collect();
    assert_eq!(set.len(), count, "something is there twice");
    set
}

/// Every span, data point or log record of a document, each with the resource, scope and metric that it stands in.
#[must_use]
pub fn items(document: &Value) -> Vec<Value> {
    let mut items = Vec::new();
    for (resources, scopes, leaves) in [
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceMetrics", "scopeMetrics", "metrics"),
        ("resourceLogs", "scopeLogs", "logRecords"),
    ] {
        for resource in list(&document[resources]) {
            for scope in list(&resource[scopes]) {
                let context = json!({
                    "resource": resource["resource"], "resourceSchema": resource["schemaUrl"],
                    "scope": scope["scope"], "scopeSchema": scope["schemaUrl"],
                });
                for leaf in list(&scope[leaves]) {
                    let found =
                        if leaves == "metrics" { points(leaf) } else { vec![json!({ "item": leaf })] };
                    for mut item in found {
                        item["in"] = context.clone();
                        items.push(canonical("", &item).unwrap());
                    }
                }
            }
        }
    }
    items
}

/// All items of several documents as text, in order, for comparison as a multiset.
#[must_use]
pub fn sorted(documents: &[Value]) -> Vec<String> {
    let mut items: Vec<String> = documents.iter().flat_map(items).map(|item| item.to_string()).collect();
    items.sort();
    items
}

/// Asserts that two sets of documents hold the same items, naming the first that differ.
pub fn assert_same(what: &str, arrived: &[Value], sent: &[Value]) {
    let (arrived, sent) = (sorted(arrived), sorted(sent));
    assert!(!sent.is_empty(), "{what}: nothing was sent");
    let first_apart = sent.iter().zip(&arrived).find(|(sent, arrived)| sent != arrived);
    if let Some((sent, arrived)) = first_apart {
        panic!("{what}: sent\n{sent}\nand something else arrived\n{arrived}");
    }
    assert_eq!(arrived.len(), sent.len(), "{what}: as many items as were sent");
}

fn points(metric: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for kind in ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] {
        let mut head = metric.clone();
        let Some(data) = head.get_mut(kind) else { continue };
        let points = data.as_object_mut().unwrap().remove("dataPoints");
        for point in list(&points.unwrap_or_default()) {
            found.push(json!({ "metric": head, "item": point }));
        }
    }
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The value in one spelling, or none where it says no more than not being there.
fn canonical(key: &str, value: &Value) -> Option<Value> {
    let keep = PRESENCE.contains(&key) || key.is_empty();
    match value {
        Value::Null => None,
        Value::Array(values) => {
            // An element is there even if it is a default.
            let element = |value| canonical_element(key, value);
            let values: Vec<Value> = values.iter().map(element).collect();
            (keep || !values.is_empty()).then_some(Value::Array(values))
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), canonical(key, value)?)))
                .collect();
            (keep || !fields.is_empty()).then_some(Value::Object(fields))
        }
        leaf => {
            let leaf = scalar(key, leaf);
            let zero = INTEGERS.contains(&key) && leaf == json!("0");
            let default =
                zero || leaf == json!(0) || leaf == json!(0.0) || leaf == json!("") || leaf == json!(false);
            (keep || !default).then_some(leaf)
        }
    }
}

fn canonical_element(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) => canonical("", value).unwrap_or_default(),
        leaf => scalar(key, leaf),
    }
}

fn scalar(key: &str, leaf: &Value) -> Value {
    let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
    if INTEGERS.contains(&key) {
        return text.parse::<i128>().map_or_else(|_| leaf.clone(), |number| json!(number.to_string()));
    }
    if DOUBLES.contains(&key) && !leaf.is_object() {
        // Not a number has no form in JSON but its name.
        let number: f64 = text.parse().unwrap();
        return if number.is_finite() { json!(number) } else { json!(number.to_string()) };
    }
    leaf.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(span: Value) -> Vec<String> {
        sorted(&[json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] })])
    }

    #[test]
    fn spellings_of_the_same_are_the_same() {
        let one = json!({ "startTimeUnixNano": "5", "name": "", "attributes": [], "status": {}, "flags": 0 });
        assert_eq!(span(one), span(json!({ "startTimeUnixNano": 5 })));
    }

    #[test]
    fn a_default_in_a_oneof_is_a_value() {
        let attribute = |value: Value| span(json!({ "attributes": [{ "key": "k", "value": value }] }));
        let values = [
            json!({}),
            json!({ "intValue": "0" }),
            json!({ "stringValue": "" }),
            json!({ "doubleValue": 0.0 }),
            json!({ "boolValue": false }),
            json!({ "arrayValue": {} }),
            json!({ "kvlistValue": {} }),
        ];
        let all: BTreeSet<_> = values.iter().cloned().map(attribute).collect();
        assert_eq!(all.len(), values.len());
        assert_eq!(attribute(json!({ "intValue": "7" })), attribute(json!({ "intValue": 7 })));
    }

    #[test]
    fn a_point_keeps_its_metric() {
        let metric = json!({ "name": "m", "sum": { "isMonotonic": true, "dataPoints": [{ "asInt": "1" }, { "asInt": 2 }] } });
        let document = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] });
        let items = items(&document);
        assert_eq!(items.len(), 2);
        assert_eq!(items[0]["metric"]["sum"]["isMonotonic"], json!(true));
    }
}
