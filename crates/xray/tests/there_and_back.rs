//! X-Ray to OTLP and back with the settings that are usual on both sides: the rows T1 to T8 of the specification, which
//! are what the Collector's receiver and exporter were seen to make together.

mod support;

use collimator_xray::from_span::Options;
use collimator_xray::to_span;
use serde_json::{Value, json};
use support::{name_ids, same_numbers, translated, with};

const TRACE: &str = "1-5f84c7a1-e7d1852db8c4fd35d88bf49a";
const ROOT: &str = "6226467e3f845502";
const NESTED: &str = "00000000000000a0";

/// A document, and what comes back of it.
struct Row {
    id: &'static str,
    document: Value,
    there: Vec<Value>,
    /// What is otherwise here in one of the documents, by its number, and why. The pages of the components say so too.
    here: Option<(usize, Value, &'static str)>,
}

impl Row {
    /// Of what is special about the document.
    fn new(id: &'static str, more: &Value) -> Self {
        let document = with(&segment("shop", ROOT, more), &json!({"trace_id": TRACE}));
        Self { id, document, there: Vec::new(), here: None }
    }

    /// The next document that comes back, beside what all have.
    fn gives(mut self, name: &str, id: &str, more: &Value) -> Self {
        let base =
            segment(name, id, &json!({"trace_id": TRACE, "fault": false, "error": false, "throttle": false}));
        self.there.push(with(&base, more));
        self
    }

    /// The next document that comes back is the nested segment.
    fn gives_nested(self, name: &str, more: &Value) -> Self {
        let place = json!({"parent_id": ROOT, "type": "subsegment"});
        self.gives(name, NESTED, &with(&place, more))
    }

    fn differs(mut self, document: usize, changes: Value, why: &'static str) -> Self {
        self.here = Some((document, changes, why));
        self
    }

    fn check(self) {
        let Self { id, document, there, here } = self;
        // As the reference, where a setting says so; then as it is here.
        let like_there = to_span::Options { status_from_flags: false, ..to_span::Options::default() };
        assert_eq!(returned(&document, &like_there), there, "{id}");
        let mut expected = there;
        let mut reason = "the same as there";
        if let Some((at, changes, why)) = here {
            expected[at] = with(&expected[at], &changes);
            reason = why;
        }
        assert_eq!(returned(&document, &to_span::Options::default()), expected, "{id}: {reason}");
    }
}

fn segment(name: &str, id: &str, more: &Value) -> Value {
    with(&json!({"name": name, "id": id, "start_time": 1_700_000_000, "end_time": 1_700_000_001}), more)
}

fn returned(document: &Value, options: &to_span::Options) -> Vec<Value> {
    let mut request = Vec::new();
    let taken = to_span::read(document.to_string().as_bytes(), options, &mut request).expect("a document");
    assert_eq!(taken.dropped, []);
    let mut documents = translated(&request, Options::default()).1;
    for document in &mut documents {
        name_ids(document, &[ROOT, NESTED]);
        same_numbers(document);
    }
    documents
}

/// The metadata that tells of a resource; `more` without the names' beginning.
fn resource(provider: &str, more: Value) -> Value {
    let all = with(&json!({"cloud.provider": provider, "service.name": "shop"}), &more);
    let all = all.as_object().expect("an object").iter();
    json!({"default": all.map(|(key, value)| (format!("otel.resource.{key}"), value.clone()))
        .collect::<serde_json::Map<_, _>>()})
}

fn sdk(sdk: &str, language: &str) -> (Value, Value) {
    let block = json!({"xray": {"sdk": format!("{sdk} for {language}"), "auto_instrumentation": false}});
    (block, resource("aws", json!({"telemetry.sdk.name": sdk, "telemetry.sdk.language": language})))
}

#[test]
fn t1_a_root_with_annotations_metadata_and_a_fault() {
    let (mut aws, mut metadata) = sdk("X-Ray for Go", "Go");
    aws["ec2"] =
        json!({"instance_id": "i-1", "availability_zone": null, "instance_size": null, "ami_id": null});
    metadata["ns"] = json!({"k": [1]});
    for (key, value) in
        [("m", json!(1)), ("http.response_content_length", json!(7)), ("otel.resource.host.id", json!("i-1"))]
    {
        metadata["default"][key] = value;
    }
    Row::new(
        "T1",
        &json!({
            "aws": {"xray": {"sdk": "X-Ray for Go"}, "ec2": {"instance_id": "i-1"}},
            "annotations": {"a.b": "x", "i": 5, "bad key": true},
            "metadata": {"default": {"m": 1}, "ns": {"k": [1]}},
            "fault": true,
            "http": {"response": {"status": 200, "content_length": 7}},
        }),
    )
    .gives(
        "shop",
        ROOT,
        &json!({
            "annotations": {"a.b": "x", "bad_key": true, "i": 5},
            "metadata": metadata,
            "http": {"request": {}, "response": {"status": 200, "content_length": 0}},
            "aws": aws,
        }),
    )
    .differs(0, json!({"fault": true}), "a failure without an HTTP status is a failure: status_from_flags")
    .check();
}

#[test]
fn t2_a_nested_call_of_aws_with_an_exception() {
    let exception = json!({"id": "e1e1e1e1e1e1e1e1", "message": "m", "type": "T",
        "stack": [{"path": "a.java", "line": 7, "label": "f"}]});
    let call = json!({"namespace": "aws", "http": {"response": {"status": 200}},
        "cause": {"exceptions": [exception]}});
    let (aws, metadata) = sdk("X-Ray for Java", "Java");
    Row::new(
        "T2",
        &json!({"aws": {"xray": {"sdk": "X-Ray for Java"}}, "subsegments": [segment("DynamoDB", NESTED, &call)]}),
    )
    .gives("shop", ROOT, &json!({"aws": aws, "metadata": metadata}))
    .gives_nested(
        "DynamoDB",
        &json!({
            "namespace": "aws",
            "aws": aws,
            "fault": true,
            "http": {"request": {}, "response": {"status": 200, "content_length": 0}},
            "cause": {"exceptions": [{"id": "<1>", "message": "m", "type": "T", "remote": true}]},
            "metadata": {"default": {"aws.service": "DynamoDB"}},
        }),
    )
    .check();
}

/// A call of a database, and what comes back of it beside name and place.
fn database(id: &'static str, kind: &str, more: &Value) {
    let call = json!({"namespace": "remote", "sql": {"url": "postgresql://h:5432/db?x", "database_type": kind,
        "sanitized_query": "SELECT 1", "preparation": "call"}});
    Row::new(id, &json!({"subsegments": [segment("db@h", NESTED, &call)]}))
        .gives("shop", ROOT, &json!({"metadata": resource("unknown", json!({}))}))
        .gives_nested("db@h", &with(&json!({"namespace": "remote"}), more))
        .check();
}

#[test]
fn t3_a_call_of_a_database_of_a_known_type() {
    database(
        "T3",
        "postgresql",
        &json!({"sql": {"connection_string": "postgresql://h:5432/db", "url": "db@h",
            "database_type": "postgresql", "sanitized_query": "SELECT 1"}}),
    );
}

#[test]
fn t4_a_call_of_a_database_of_another_type() {
    database(
        "T4",
        "PostgreSQL",
        &json!({"metadata": {"default": {"db.connection_string": "postgresql://h:5432", "db.name": "db",
            "db.system": "PostgreSQL", "db.statement": "SELECT 1"}}}),
    );
}

#[test]
fn t5_containers_are_in_the_metadata_only() {
    let metadata = resource("aws", json!({"container.name": "c", "container.id": "cid"}));
    Row::new("T5", &json!({"aws": {"ecs": {"container": "c", "container_id": "cid"}}}))
        .gives("shop", ROOT, &json!({"aws": {"xray": {"auto_instrumentation": false}}, "metadata": metadata}))
        .check();
}

#[test]
fn t6_what_is_in_progress_has_no_end() {
    let in_progress = json!({"in_progress": true, "end_time": null});
    let metadata = json!({"metadata": resource("unknown", json!({}))});
    Row::new("T6", &in_progress).gives("shop", ROOT, &with(&in_progress, &metadata)).check();
}

#[test]
fn t7_a_cause_that_is_an_id_becomes_a_message() {
    let exception = json!({"id": "<1>", "message": "e1e1e1e1e1e1e1e1", "type": ""});
    let metadata = resource("unknown", json!({}));
    Row::new("T7", &json!({"cause": "e1e1e1e1e1e1e1e1"}))
        .gives(
            "shop",
            ROOT,
            &json!({"fault": true, "cause": {"exceptions": [exception]}, "metadata": metadata}),
        )
        .check();
}

#[test]
fn t8_exceptions_get_new_ids_and_lose_their_causes_and_lines() {
    let frame = |line: i32| json!([{"path": "a.java", "line": line, "label": "f"}]);
    let (aws, metadata) = sdk("X-Ray for Java", "java");
    Row::new(
        "T8",
        &json!({
            "aws": {"xray": {"sdk": "X-Ray for Java"}},
            "cause": {"exceptions": [
                {"id": "e1e1e1e1e1e1e1e1", "message": "m", "type": "T", "cause": "e2e2e2e2e2e2e2e2", "stack": frame(7)},
                {"id": "e2e2e2e2e2e2e2e2", "message": "n", "type": "U"},
            ]},
        }),
    )
    .gives(
        "shop",
        ROOT,
        &json!({
            "fault": true,
            "cause": {"exceptions": [
                {"id": "<1>", "message": "m", "type": "T", "remote": false, "stack": frame(0)},
                {"id": "<2>", "message": "n", "type": "U", "remote": false},
            ]},
            "aws": aws,
            "metadata": metadata,
        }),
    )
    .check();
}
