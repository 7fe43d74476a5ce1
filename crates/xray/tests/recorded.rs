//! What the OpenTelemetry Collector 0.156 was recorded to send, and where this is better.

mod support;

use collimator_xray::from_span::Options;
use serde_json::{Value, json};
use support::{translated, wire, without_nulls};

/// A difference that is wanted: the case, a path, what is there instead, and why.
const BETTER: &[(&str, &str, &str)] = &[
    ("http-client-network-peer", "/0/http/request/url", "a client's URL is not left without a host"),
    ("exception-javascript-224", "/0/cause/exceptions/0/stack", "no blank behind a label"),
    ("exception-nodejs-224", "/0/cause/exceptions/0/stack", "`nodejs` is JavaScript"),
    ("attributes-index-all", "/0/metadata", "what no annotation can hold is not lost"),
    ("trace-three-spans", "/1/sql", "the stable names of database attributes make a `sql` block"),
    ("trace-three-spans", "/1/metadata", "and so are no metadata"),
];

#[test]
fn documents_are_those_that_were_recorded() {
    let cases: Value =
        serde_json::from_slice(include_bytes!("fixtures/awsxray-exporter.json")).expect("recorded cases");
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 77);
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let list = |key: &str| {
            let list = case["exporter"][key].as_array().cloned().unwrap_or_default();
            list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let options = Options {
            index_all_attributes: case["exporter"]["index_all_attributes"] == true,
            indexed_attributes: list("indexed_attributes"),
            log_groups: list("aws_log_groups"),
            ..Options::default()
        };
        let requests = case["input"].as_array().expect("a list").iter().map(wire);
        let ours: Vec<Value> = requests.flat_map(|request| translated(&request, options.clone()).1).collect();
        let known = known_ids(&case["input"]);
        let ours = form(&ours, &known);
        let theirs = form(case["expected"]["documents"].as_array().expect("a list"), &known);
        for path in differences(&ours, &theirs, "") {
            let wanted = BETTER.iter().any(|(case, place, _)| *case == name && path.starts_with(place));
            if !wanted {
                wrong.push(format!(
                    "{name}{path}: ours {}, theirs {}",
                    ours.pointer(&path).unwrap_or(&Value::Null),
                    theirs.pointer(&path).unwrap_or(&Value::Null)
                ));
            }
        }
        for (case, path, why) in BETTER.iter().filter(|(case, ..)| *case == name) {
            assert_ne!(ours.pointer(path), theirs.pointer(path), "{case}: {why}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn known_ids(input: &Value) -> Vec<String> {
    let mut known = Vec::new();
    gather(input, &mut known);
    known
}

fn gather(value: &Value, known: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(id) if key == "spanId" || key == "parentSpanId" => known.push(id.clone()),
                    _ => gather(value, known),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, known)),
        _ => {}
    }
}

/// Sorted, without what is null, made ids named by their order, times in steps of 2 µs.
fn form(documents: &[Value], known: &[String]) -> Value {
    let mut documents: Vec<Value> = documents.iter().map(without_nulls).collect();
    documents.sort_by_key(|document| {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let id = Some(text("id")).filter(|id| known.contains(id));
        (text("trace_id"), text("type"), text("name"), id)
    });
    let mut documents = Value::Array(documents);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    support::name_ids(&mut documents, &known);
    for document in documents.as_array_mut().into_iter().flatten() {
        for key in ["start_time", "end_time"] {
            if let Some(time) = document.get_mut(key) {
                *time = json!((time.as_f64().expect("a number") * 5e5).round());
            }
        }
    }
    support::same_numbers(&mut documents);
    documents
}

/// Where the two differ, as JSON pointers.
fn differences(one: &Value, other: &Value, at: &str) -> Vec<String> {
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let keys = ones.keys().chain(others.keys().filter(|key| !ones.contains_key(*key)));
            keys.flat_map(|key| {
                let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                differences(&one[key], &other[key], &place)
            })
            .collect()
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let pairs = ones.iter().zip(others).enumerate();
            pairs
                .flat_map(|(index, (one, other))| differences(one, other, &format!("{at}/{index}")))
                .collect()
        }
        (Value::Number(one), Value::Number(other)) if at.ends_with("_time") => {
            let far = (one.as_f64().unwrap_or(0.0) - other.as_f64().unwrap_or(0.0)).abs() > 1.0;
            if far { vec![at.to_owned()] } else { Vec::new() }
        }
        _ if one == other => Vec::new(),
        _ => vec![at.to_owned()],
    }
}
