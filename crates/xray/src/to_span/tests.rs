//! Section E.2 of the reference of both translations, as a table, and what the bounds are.

use serde_json::{Value as Json, json};

use super::{Conventions, Limits, Options, Reason, Refused, Taken, Translator, steps};

fn base() -> Json {
    json!({
        "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a", "id": "6226467e3f845502", "name": "shop",
        "start_time": 1_498_082_657.375_18, "end_time": 1_498_082_695.404_2,
    })
}

/// The base document with some fields set, and others taken out by null.
fn changed(changes: Json) -> String {
    let mut document = base();
    merge(&mut document, changes);
    document.to_string()
}

fn merge(document: &mut Json, changes: Json) {
    let fields = document.as_object_mut().expect("an object");
    for (key, value) in changes.as_object().expect("an object") {
        if value == "(absent)" {
            drop(fields.remove(key))
        } else {
            drop(fields.insert(key.clone(), value.clone()))
        }
    }
}

/// What one document becomes, in a form that is easy to look at.
struct Spans {
    resource: Json,
    spans: Vec<Json>,
    taken: Taken,
}

fn translate(document: &str, options: Options) -> Result<Spans, Refused> {
    let mut out = Vec::new();
    let taken = Translator::new(options).read(document.as_bytes(), &mut out)?;
    let mut text = Vec::new();
    otlp_json::write(&otlp::schema::TRACES, &out, &mut text);
    let request: Json = serde_json::from_slice(&text).expect("JSON");
    let [resource] = request["resourceSpans"].as_array().expect("a list").as_slice() else {
        panic!("one resource: {request}")
    };
    let [scope] = resource["scopeSpans"].as_array().expect("a list").as_slice() else { panic!("one scope") };
    let spans = scope["spans"].as_array().expect("a list").iter().map(plain).collect();
    Ok(Spans { resource: attributes(&resource["resource"]["attributes"]), spans, taken })
}

fn one(changes: Json) -> (Json, Json) {
    let mut spans = translate(&changed(changes), Options::default()).expect("it is taken");
    assert_eq!((spans.spans.len(), spans.taken.segments()), (1, 1));
    (spans.resource, spans.spans.remove(0))
}

/// A span with attributes as a map, the kind and status as words.
fn plain(span: &Json) -> Json {
    let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT"];
    let kind = span["kind"].as_u64().and_then(|kind| kinds.get(kind as usize)).expect("a kind");
    let events = span["events"].as_array().into_iter().flatten();
    let events: Vec<Json> = events
        .map(|event| json!({"name": event["name"], "attributes": attributes(&event["attributes"])}))
        .collect();
    json!({
        "name": span["name"], "kind": kind, "trace_id": span["traceId"], "id": span["spanId"],
        "parent": span["parentSpanId"].as_str().unwrap_or_default(),
        "start": number(&span["startTimeUnixNano"]), "end": number(&span["endTimeUnixNano"]),
        "error": span["status"]["code"] == 2, "message": span["status"]["message"].as_str().unwrap_or_default(),
        "attributes": attributes(&span["attributes"]), "events": events, "links": span["links"],
    })
}

fn number(text: &Json) -> u64 {
    text.as_str().map_or(0, |text| text.parse().expect("a number"))
}

/// Attributes as a map; a plain number is a double, an int is `{"int": …}`. None may be there twice.
fn attributes(list: &Json) -> Json {
    let mut map = serde_json::Map::new();
    for attribute in list.as_array().into_iter().flatten() {
        let before =
            map.insert(attribute["key"].as_str().expect("a key").to_owned(), value(&attribute["value"]));
        assert!(before.is_none(), "{attribute} is there twice");
    }
    Json::Object(map)
}

fn value(value: &Json) -> Json {
    let (kind, value) = value.as_object().and_then(|members| members.iter().next()).expect("a value");
    match kind.as_str() {
        "intValue" => json!({"int": value.as_str().expect("a string").parse::<i64>().expect("an int")}),
        "arrayValue" => {
            value["values"].as_array().into_iter().flatten().map(self::value).collect::<Vec<_>>().into()
        }
        _ => value.clone(),
    }
}

#[track_caller]
fn check(value: &Json, wanted: &Json) {
    for (key, wanted) in wanted.as_object().expect("an object") {
        assert_eq!(&value[key], wanted, "{key} of {value}");
    }
}

#[test]
fn r1_the_least() {
    let (resource, span) = one(json!({}));
    assert_eq!(resource, json!({"service.name": "shop", "cloud.provider": "unknown"}));
    check(
        &span,
        &json!({
            "kind": "SERVER", "start": 1_498_082_657_375_180_032_u64, "end": 1_498_082_695_404_200_192_u64,
            "attributes": {}, "events": [], "error": false, "id": "6226467e3f845502", "parent": "",
            "trace_id": "5f84c7a1e7d1852db8c4fd35d88bf49a",
        }),
    );
}

#[test]
fn r2_http_of_a_server() {
    let request = json!({"method": "GET", "url": "http://a/", "user_agent": "UA", "client_ip": "1.2.3.4", "x_forwarded_for": false});
    let (_, span) = one(
        json!({"http": {"request": request, "response": {"status": 200, "content_length": 7}}, "user": "u"}),
    );
    let attributes = json!({
        "enduser.id": "u", "http.method": "GET", "http.url": "http://a/", "http.user_agent": "UA",
        "http.client_ip": "1.2.3.4", "aws.xray.x_forwarded_for": false, "http.status_code": {"int": 200},
        "http.response_content_length": {"int": 7},
    });
    check(&span, &json!({"attributes": attributes, "error": false}));
}

#[test]
fn r3_to_r7_kinds() {
    let parent = "1111111111111111";
    for (changes, wanted) in [
        (
            json!({"type": "subsegment", "parent_id": parent, "namespace": "remote", "http": {
                "request": {"method": "GET"}, "response": {"status": 404, "content_length": "7"}}}),
            json!({"kind": "CLIENT", "parent": parent, "error": true, "attributes": {
                "http.method": "GET", "http.status_code": {"int": 404}, "http.response_content_length": "7"}}),
        ),
        (
            json!({"type": "SubSegment", "parent_id": parent, "namespace": "aws", "name": "DynamoDB", "aws": {
                "operation": "GetItem", "region": "eu-west-1", "request_id": "r", "queue_url": "q", "table_name": "t",
                "table_names": ["t"], "retries": 2, "account_id": "1"}}),
            json!({"kind": "CLIENT", "attributes": {
                "aws.service": "DynamoDB", "aws.operation": "GetItem", "aws.region": "eu-west-1",
                "aws.request_id": "r", "aws.queue_url": "q", "aws.table_name": "t", "aws.account_id": "1",
                "aws.xray.retries": {"int": 2}}}),
        ),
        (json!({"type": "subsegment", "namespace": "remote"}), json!({"kind": "SERVER", "parent": ""})),
        (
            json!({"type": "subsegment", "parent_id": parent, "namespace": "local"}),
            json!({"kind": "INTERNAL"}),
        ),
        (json!({"parent_id": parent}), json!({"kind": "SERVER", "parent": parent})),
        (json!({"parent_id": "0000000000000000"}), json!({"parent": ""})),
        (json!({"parent_id": "ABCDEF0011223344"}), json!({"parent": "abcdef0011223344"})),
    ] {
        let (resource, span) = one(changes);
        check(&span, &wanted);
        if span["attributes"]["aws.account_id"] == "1" {
            check(&resource, &json!({"cloud.account.id": "1", "cloud.provider": "aws"}));
        }
    }
}

#[test]
fn r8_an_unknown_namespace_at_the_top_is_none() {
    check(&one(json!({"namespace": "foo"})).1, &json!({"kind": "SERVER", "attributes": {}}));
}

#[test]
fn r9_to_r12_status() {
    let with_status = |status: i64| json!({"http": {"response": {"status": status}}});
    for (changes, error, message) in [
        (with_status(399), true, ""),
        (with_status(302), false, ""),
        (with_status(99), true, ""),
        (json!({"cause": "1234567890abcdef"}), true, "1234567890abcdef"),
        (json!({"cause": {}}), true, ""),
        (json!({"cause": null}), false, ""),
        (json!({"throttle": true}), false, ""),
        (json!({"fault": true}), true, ""),
        (json!({"error": true, "throttle": true}), true, ""),
        (json!({"cause": {"working_directory": "/"}, "http": {"response": {"status": 200}}}), true, ""),
    ] {
        check(&one(changes).1, &json!({"error": error, "message": message}));
    }
    let reference = Options { status_from_flags: false, empty_cause_is_error: false, ..Options::default() };
    for flags in [json!({"fault": true, "error": true, "throttle": true}), json!({"cause": {}})] {
        let spans = translate(&changed(flags), reference.clone()).expect("taken");
        check(&spans.spans[0], &json!({"error": false, "attributes": {}}));
    }
    let (_, span) = one(json!({"end_time": "(absent)", "in_progress": true}));
    check(&span, &json!({"end": 0, "attributes": {"aws.xray.inprogress": true}}));
}

#[test]
fn r13_exceptions() {
    let (resource, span) = one(json!({
        "cause": {"exceptions": [
            {"id": "e1", "message": "m", "type": "T", "remote": true, "truncated": 3, "skipped": 1, "cause": "e2",
             "stack": [{"path": "a.java", "line": 7, "label": "f"}, {"path": "b"}, {"label": "x", "line": 0}]},
            {"id": "e2", "message": "n"}]},
        "aws": {"xray": {"sdk": "X-Ray for Python"}},
    }));
    let stack = "T: m\n\tat f(a.java: 7)\n\tat (b: <unknown>)\n\tat x(: 0)\n";
    let first = json!({
        "aws.xray.exception.id": "e1", "exception.message": "m", "exception.type": "T",
        "aws.xray.exception.remote": true, "aws.xray.exception.truncated": {"int": 3},
        "aws.xray.exception.skipped": {"int": 1}, "aws.xray.exception.cause": "e2", "exception.stacktrace": stack,
    });
    let second = json!({"aws.xray.exception.id": "e2", "exception.message": "n"});
    let event = |attributes| json!({"name": "exception", "attributes": attributes});
    check(&span, &json!({"events": [event(first), event(second)], "error": true, "message": ""}));
    check(&resource, &json!({"telemetry.sdk.name": "X-Ray for Python", "telemetry.sdk.language": "java"}));
}

#[test]
fn r14_nested_subsegments() {
    let nested = |name: &str, id: &str, more: Json| {
        let mut nested = json!({"name": name, "id": id, "start_time": 1, "end_time": 2});
        merge(&mut nested, more);
        nested
    };
    let b = nested("b", "00000000000000b0", json!({"traced": true}));
    let http = json!({"response": {"status": 500}});
    let a = nested("a", "00000000000000a0", json!({"namespace": "remote", "http": http, "subsegments": [b]}));
    let own = "1-00000000-e7d1852db8c4fd35d88bf49b";
    let http = json!({"request": {"client_ip": "1.1.1.1"}});
    let c = json!({"http": http, "trace_id": own, "parent_id": "9999999999999999"});
    let c = nested("c", "00000000000000c0", c);
    let spans = translate(&changed(json!({"subsegments": [a, c]})), Options::default()).expect("taken").spans;
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["shop", "a", "b", "c"]);
    let [shop, a, b, c] = spans.as_slice() else { panic!("four spans") };
    check(shop, &json!({"kind": "SERVER", "error": false}));
    check(
        a,
        &json!({"kind": "CLIENT", "error": true, "parent": "6226467e3f845502", "trace_id": shop["trace_id"]}),
    );
    check(b, &json!({"kind": "INTERNAL", "parent": a["id"], "attributes": {"aws.xray.traced": true}}));
    let trace = "00000000e7d1852db8c4fd35d88bf49b";
    check(c, &json!({"kind": "SERVER", "parent": shop["id"], "trace_id": trace}));
}

#[test]
fn r15_annotations() {
    let annotations =
        json!({"s": "x", "i": 5, "f": 1.5, "b": true, "l": [1], "n": null, "http.method": "override"});
    let (_, span) = one(json!({"annotations": annotations, "http": {"request": {"method": "GET"}}}));
    let mut found = span["attributes"].clone();
    let mut keys = found["aws.xray.annotations"].take();
    keys.as_array_mut().expect("a list").sort_by_key(Json::to_string);
    assert_eq!(keys, json!(["b", "f", "http.method", "i", "l", "n", "s"]));
    found.as_object_mut().expect("a map").remove("aws.xray.annotations");
    assert_eq!(found, json!({"s": "x", "i": 5, "f": 1.5, "b": true, "http.method": "override"}));
    let twice =
        changed(json!({"annotations": "(here)"})).replace("\"(here)\"", r#"{"a": 1, "b": 2, "a": 3}"#);
    let span = translate(&twice, Options::default()).expect("taken").spans.remove(0);
    assert_eq!(span["attributes"], json!({"aws.xray.annotations": ["b", "a"], "a": 3, "b": 2}));
}

#[test]
fn thousands_of_annotations_are_written_each_once() {
    let mut annotations = serde_json::Map::new();
    for number in 0..5000 {
        annotations.insert(format!("a.{number}"), json!(number));
        annotations.insert(format!("aws.xray.metadata.{number}"), json!("annotation"));
    }
    let metadata: serde_json::Map<_, _> = (0..2000).map(|number| (number.to_string(), json!({}))).collect();
    let text = changed(json!({"annotations": annotations, "metadata": metadata}));
    // `attributes` asserts that no name is there twice.
    let span = translate(&text, Options::default()).expect("taken").spans.remove(0);
    let found = span["attributes"].as_object().expect("a map");
    assert_eq!(found.len(), 1 + 5000 + 5000);
    assert_eq!(found["a.4999"], 4999);
    assert_eq!(
        (&found["aws.xray.metadata.1999"], &found["aws.xray.metadata.2000"]),
        (&json!("{}"), &json!("annotation"))
    );
}

#[test]
fn r16_metadata() {
    let (_, span) = one(json!({"metadata": {"default": {"a": 1}, "ns": {}, "n2": null}}));
    let wanted = json!({
        "aws.xray.metadata.default": "{\"a\":1}", "aws.xray.metadata.ns": "{}", "aws.xray.metadata.n2": "null"
    });
    assert_eq!(span["attributes"], wanted);
}

#[test]
fn r17_the_resource() {
    let (resource, _) = one(json!({
        "service": {"version": "sv", "compiler": "c"}, "resource_arn": "arn:r", "origin": "AWS::ECS::Container",
        "aws": {
            "ec2": {"availability_zone": "az1", "instance_id": "i", "instance_size": "s", "ami_id": "ami"},
            "ecs": {"container": "cn", "container_id": "cid", "availability_zone": "az2", "task_arn": "t"},
            "eks": {"cluster_name": "k", "pod": "p", "container_id": "kid"},
            "elastic_beanstalk": {"environment_name": "env", "version_label": "v", "deployment_id": 3},
            "cloudwatch_logs": [{"log_group": "g1", "arn": "a1"}, {"log_group": "g2"}],
            "xray": {"sdk": "X-Ray for Go", "sdk_version": "1.8", "auto_instrumentation": true},
        },
    }));
    let wanted = json!({
        "service.name": "shop", "cloud.provider": "aws", "cloud.availability_zone": "az2", "host.id": "i",
        "host.type": "s", "host.image.id": "ami", "container.name": "cn", "container.id": "kid",
        "k8s.cluster.name": "k", "k8s.pod.name": "p", "service.namespace": "env", "service.instance.id": "3",
        "service.version": "sv", "aws.log.group.arns": ["a1"], "aws.log.group.names": ["g1", "g2"],
        "telemetry.sdk.name": "X-Ray for Go", "telemetry.sdk.version": "1.8", "telemetry.sdk.language": "Go",
        "aws.xray.resource_arn": "arn:r",
    });
    assert_eq!(resource, wanted);
}

#[test]
fn r18_databases() {
    for (url, wanted) in [
        ("mydb", json!({"db.connection_string": "mydb"})),
        (
            "postgresql://h:5432/db?x=1",
            json!({"db.connection_string": "postgresql://h:5432", "db.name": "db"}),
        ),
    ] {
        assert_eq!(one(json!({"sql": {"url": url}})).1["attributes"], wanted);
    }
    let sql =
        json!({"url": "a://h/d", "database_type": "PostgreSQL", "sanitized_query": "SELECT ?", "user": "u"});
    let http = json!({"request": {"method": "GET"}, "response": {"status": 200, "content_length": 1}});
    let options = Options { http: Conventions::Stable, database: Conventions::Stable, ..Options::default() };
    let spans = translate(&changed(json!({"sql": sql, "http": http})), options).expect("taken").spans;
    let wanted = json!({
        "db.connection_string": "a://h", "db.namespace": "d", "db.system.name": "PostgreSQL",
        "db.query.text": "SELECT ?", "db.user": "u", "http.request.method": "GET",
        "http.response.status_code": {"int": 200}, "http.response.body.size": {"int": 1},
    });
    assert_eq!(spans[0]["attributes"], wanted);
}

#[test]
fn r19_what_stops_the_reference_is_taken_or_refused() {
    check(
        &one(json!({"cause": {"exceptions": [{"message": "m"}]}})).1,
        &json!({"events": [{"name": "exception", "attributes": {"exception.message": "m"}}]}),
    );
    let good = json!({"name": "good", "id": "00000000000000a0", "start_time": 1});
    let bad = [
        (json!({"id": "00000000000000b0", "start_time": 1}), Reason::Missing, "name"),
        (json!({"name": "b", "id": "00000000000000b0"}), Reason::Missing, "start_time"),
        (json!({"name": "b", "start_time": 1}), Reason::Missing, "id"),
        (json!({"name": "b", "id": "xyz", "start_time": 1}), Reason::InvalidId, "id"),
        (
            json!({"name": "b", "id": "00000000000000b0", "start_time": 1, "trace_id": "1-2-3"}),
            Reason::InvalidId,
            "trace_id",
        ),
        (json!({"name": "b", "id": "00000000000000b0", "start_time": -1}), Reason::InvalidTime, "start_time"),
        (
            json!({"name": "b", "id": "00000000000000b0", "start_time": 1, "namespace": "foo"}),
            Reason::InvalidNamespace,
            "namespace",
        ),
        (json!({"name": "b", "id": "00000000000000b0", "start_time": "1"}), Reason::WrongType, "start_time"),
        (
            json!({"name": "b", "id": "00000000000000b0", "start_time": 1, "http": {"response": {"status": 200.5}}}),
            Reason::WrongType,
            "http.response.status",
        ),
        (json!(7), Reason::WrongType, "subsegments"),
    ];
    for (mut bad, reason, field) in bad {
        if let Some(bad) = bad.as_object_mut() {
            bad.insert("subsegments".to_owned(), json!([good]));
        }
        let spans = translate(&changed(json!({"subsegments": [good, bad, good]})), Options::default());
        let Spans { spans, taken, .. } = spans.expect("the rest is kept");
        let [dropped] = taken.dropped.as_slice() else { panic!("one is dropped: {taken:?}") };
        let segments = if bad.is_object() { 2 } else { 1 };
        assert_eq!((dropped.reason, dropped.field, dropped.segments), (reason, field, segments), "{bad}");
        assert_eq!((spans.len(), taken.segments()), (3, 3 + segments));
        assert!(
            spans.iter().skip(1).all(|span| span["name"] == "good" && span["parent"] == "6226467e3f845502")
        );
    }
}

#[test]
fn what_is_wrong_at_the_top_refuses_the_document() {
    let trace = |id: &str| json!({"trace_id": id});
    for (changes, reason, field) in [
        (json!({"name": "(absent)"}), Reason::Missing, "name"),
        (json!({"name": null}), Reason::Missing, "name"),
        (json!({"id": "(absent)"}), Reason::Missing, "id"),
        (json!({"start_time": "(absent)"}), Reason::Missing, "start_time"),
        (json!({"trace_id": "(absent)"}), Reason::Missing, "trace_id"),
        (json!({"id": "6226467e3f84550"}), Reason::InvalidId, "id"),
        (json!({"id": "6226467e3f84550g"}), Reason::InvalidId, "id"),
        (json!({"parent_id": ""}), Reason::InvalidId, "parent_id"),
        (trace("1-5f84c7a1-e7d1852db8c4fd35d88bf49a00"), Reason::InvalidId, "trace_id"),
        (trace("1-5f84c7a1-e7d1852db8c4fd35d88bf49"), Reason::InvalidId, "trace_id"),
        (trace("2-xx-yy"), Reason::InvalidId, "trace_id"),
        (json!({"start_time": -1}), Reason::InvalidTime, "start_time"),
        (json!({"end_time": 18_446_744_074_u64}), Reason::InvalidTime, "end_time"),
        (json!({"end_time": 20_000_000_000_u64}), Reason::InvalidTime, "end_time"),
        (json!({"start_time": "1498082657"}), Reason::WrongType, "start_time"),
        (json!({"cause": 5}), Reason::WrongType, "cause"),
        (json!({"http": {"response": {"status": "200"}}}), Reason::WrongType, "http.response.status"),
        (json!({"http": {"response": {"status": 200.0}}}), Reason::WrongType, "http.response.status"),
        (json!({"metadata": {"default": 1}}), Reason::WrongType, "metadata"),
        (json!({"annotations": []}), Reason::WrongType, "annotations"),
        (json!({"subsegments": {}}), Reason::WrongType, "subsegments"),
        (
            json!({"aws": {"elastic_beanstalk": {"deployment_id": "3"}}}),
            Reason::WrongType,
            "aws.elastic_beanstalk.deployment_id",
        ),
        (json!({"precursor_ids": [1]}), Reason::WrongType, "precursor_ids"),
    ] {
        let refused = translate(&changed(changes.clone()), Options::default()).err().expect("it is refused");
        assert_eq!((refused.reason, refused.field, refused.segments), (reason, field, 1), "{changes}");
    }
    assert!(translate(&changed(trace("5f84c7a1e7d1852db8c4fd35d88bf49a")), Options::default()).is_ok());
}

#[test]
fn the_last_moment_is_kept_as_a_double_has_it() {
    check(&one(json!({"end_time": 18_446_744_073_u64})).1, &json!({"end": 18_446_744_072_999_999_488_u64}));
}

#[test]
fn of_two_lists_of_subsegments_the_last_counts() {
    let nested = |id: &str| json!({"name": "n", "id": id, "start_time": 1});
    let first = json!([nested("00000000000000a0"), {}, nested("00000000000000b0")]);
    let last = json!([nested("00000000000000c0"), nested("x")]);
    let lists = format!("{first},\"subsegments\":{last}");
    let text = changed(json!({"subsegments": "(here)"})).replace("\"(here)\"", &lists);
    let Spans { spans, taken, .. } = translate(&text, Options::default()).expect("taken");
    assert_eq!((spans.len(), taken.segments(), taken.rejected()), (2, 3, 1));
    let refused = translate(&text.replace("\"name\":\"shop\"", "\"name\":null"), Options::default());
    assert_eq!(refused.err().map(|refused| refused.segments), Some(3));
}

#[test]
fn of_two_lists_of_subsegments_the_extras_of_the_last_are_preserved() {
    let nested = |id: &str, extra: &str| {
        format!(r#"{{"name":"n","id":"{id}","start_time":1,"e":"{extra}","subsegments":[]}}"#)
    };
    let (a, b, c) =
        (nested("00000000000000a0", "a"), nested("00000000000000b0", "b"), nested("00000000000000c0", "c"));
    let lists = format!(
        r#"1,"subsegments":[{a},{{"e":1}},{b}],"y":2,"subsegments":[{c}],"z":3,"subsegments":[{c},{{"e":1}},{b}],"w":4"#
    );
    let text = changed(json!({"x": "(here)"})).replace("\"(here)\"", &lists);
    let options = Options { preserve: true, ..Options::default() };
    let Spans { spans, taken, .. } = translate(&text, options).expect("taken");
    let extras: Vec<_> = spans.iter().map(|span| &span["attributes"]["aws.xray.extra"]).collect();
    assert_eq!(extras, [r#"{"w":4,"x":1,"y":2,"z":3}"#, r#"{"e":"c"}"#, r#"{"e":"b"}"#]);
    assert_eq!((taken.segments(), taken.rejected()), (4, 1));
}

/// A document of 40 kB made of `start`, pieces until it is full, and `end`.
fn full(start: &str, piece: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = start.to_owned();
    text.extend((0..).map(piece).scan(start.len(), |len, piece| {
        *len += piece.len();
        (*len < 40_000).then_some(piece)
    }));
    text + end
}

#[test]
fn no_document_takes_time_squared() {
    let mut head = base().to_string();
    head.truncate(head.len() - 1);
    let ec2 = format!("{head},\"aws\":{{\"ec2\":{{");
    let ids = r#""trace_id":"1-5f84c7a1-e7d1852db8c4fd35d88bf49b","id":"00000000000000b0""#;
    let link = format!("{head},\"links\":[{{{ids},\"attributes\":{{");
    // Every name twice.
    let name = |at: usize| format!("\"{}\":1,", at % 2_000);
    let lists = format!("{head},{}\"subsegments\":[{{}}", "\"a\":1,".repeat(3_000));
    let list = r#","a":1,"subsegments":[{"name":"n","id":"00000000000000a0","start_time":1,"e":1}]"#;
    let documents = [
        full(&lists, |_| ",{\"subsegments\":[]}".to_owned(), "]}"),
        full(&head, |_| ",\"a\":1,\"subsegments\":[]".to_owned(), "}"),
        full(&head, |_| list.to_owned(), "}"),
        full(&ec2, name, "\"a\":1}}}"),
        full(&link, name, "\"a\":1}}]}"),
    ];
    let mut translator = Translator::new(Options { preserve: true, ..Options::default() });
    steps::taken();
    let steps = documents.each_ref().map(|document| {
        translator.read(document.as_bytes(), &mut Vec::new()).expect("it is taken");
        steps::taken()
    });
    // Squared each would be a multiple of that.
    assert!(steps.iter().all(|steps| *steps <= 40_000), "{steps:?}");
    assert!(steps[2..].iter().all(|steps| *steps > 500), "they are counted: {steps:?}");
}

#[test]
fn of_several_fields_of_one_name_in_a_block_or_a_link_the_last_is_preserved() {
    let link = json!({"trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49b", "id": "00000000000000b0", "attributes": "(link)"});
    let text = changed(json!({"aws": {"ec2": "(ec2)", "ecs": {"a": 7}}, "links": [link]}))
        .replace(
            "\"(ec2)\"",
            r#"{"a":1,"instance_id":"i","b":2,"a":true,"instance_id":"j"},"ec2":{"\u0061":3}"#,
        )
        .replace("\"(link)\"", r#"{"a":1,"b":2,"\u0061":"3","n":1,"n":null}"#);
    let options = Options { preserve: true, ..Options::default() };
    let Spans { resource, spans, .. } = translate(&text, options).expect("taken");
    let int = |value: i64| json!({"int": value});
    let wanted = json!({
        "aws.xray.ec2.a": int(3), "aws.xray.ec2.b": int(2), "aws.xray.ec2.instance_id": "j",
        "aws.xray.ecs.a": int(7),
    });
    check(&resource, &wanted);
    assert_eq!(attributes(&spans[0]["links"][0]["attributes"]), json!({"b": int(2), "a": "3"}));
}

#[test]
fn attributes_of_links_keep_their_shape() {
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let attributes = r#"{"l":[1,"a",null,[true]],"m":{"b":1.5,"a":{},"b":2},"n":null,"i":1e400}"#;
    let text = changed(
        json!({"links": [{"trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49b", "id": "00000000000000b0",
        "attributes": "(here)"}]}),
    );
    let options = Options { links: true, ..Options::default() };
    let span =
        translate(&text.replace("\"(here)\"", attributes), options.clone()).expect("taken").spans.remove(0);
    let values = json!([{"intValue": "1"}, {"stringValue": "a"}, {}, {"arrayValue": {"values": [{"boolValue": true}]}}]);
    let map = json!([{"key": "a", "value": {"kvlistValue": {}}}, {"key": "b", "value": {"intValue": "2"}}]);
    let wanted = json!([
        {"key": "l", "value": {"arrayValue": {"values": values}}},
        {"key": "m", "value": {"kvlistValue": {"values": map}}},
        {"key": "i", "value": {"stringValue": "1e400"}},
    ]);
    assert_eq!(span["links"][0]["attributes"], wanted);
    let span = translate(&text.replace("\"(here)\"", &format!("{{\"d\":{deep}}}")), options).expect("taken");
    let span = span.spans[0].to_string();
    assert!(span.contains(&format!("\"stringValue\":\"{}{}\"", "[".repeat(10), "]".repeat(10))), "{span}");
}

#[test]
fn what_is_no_json_is_refused_where_it_ends_to_be() {
    for (text, at) in [
        ("", 0),
        ("   ", 3),
        ("[]", 0),
        ("null", 0),
        ("{", 1),
        ("{\"name\"}", 7),
        ("{\"name\":\"a\nb\"}", 10),
        ("{\"name\":\"a\\x\"}", 10),
        ("{} {}", 3),
        ("{\"a\":01}", 5),
        ("{\"a\":NaN}", 5),
        ("{\"a\":[1,]}", 8),
    ] {
        let refused = translate(text, Options::default()).err().expect("it is refused");
        assert_eq!((refused.reason, refused.at, refused.segments), (Reason::NotJson, at, 0), "{text:?}");
    }
    let spaces = " ".repeat(65_000);
    assert_eq!(
        translate(&spaces, Options::default()).err().map(|refused| refused.reason),
        Some(Reason::NotJson)
    );
}

#[test]
fn absurd_documents_are_refused_by_their_bounds() {
    let refusal = |document: &str, limits: Limits| {
        translate(document, Options { limits, ..Options::default() }).err().map(|refused| refused.reason)
    };
    let default = Limits::default();
    let deep = |levels: usize| {
        let mut text = base().to_string();
        text.pop();
        let nested = r#","subsegments":[{"name":"n","id":"00000000000000a0","start_time":1"#;
        text.push_str(&nested.repeat(levels));
        text.push_str(&"}]".repeat(levels));
        text.push('}');
        text
    };
    assert_eq!(refusal(&deep(64), default), None);
    assert_eq!(refusal(&deep(65), default), Some(Reason::TooDeep));
    assert_eq!(
        refusal(&deep(256), Limits { max_depth: 256, ..default }),
        None,
        "the most that can be configured"
    );
    assert_eq!(refusal(&deep(5), Limits { max_segments: 5, ..default }), Some(Reason::TooManySegments));
    assert_eq!(refusal(&deep(5), Limits { max_bytes: 100, ..default }), Some(Reason::TooLarge));
    for open in ["[", "{\"a\":"] {
        let brackets = format!("{{\"metadata\": {{\"default\": {}", open.repeat(30_000));
        assert_eq!(refusal(&brackets, default), Some(Reason::TooDeep));
    }
}

#[test]
fn text_that_is_not_utf8_and_escapes_are_read_as_go_reads_them() {
    let text = changed(json!({})).replace("shop", r"s\u00e4\ud83d\ude00\ud800x\/\n");
    let span = translate(&text, Options::default()).expect("taken").spans.remove(0);
    assert_eq!(span["name"], "sä😀\u{fffd}x/\n");
    let mut bytes = changed(json!({})).replace("shop", "s?").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').expect("there");
    bytes[at] = 0xff;
    let mut out = Vec::new();
    assert_eq!(Translator::default().read(&bytes, &mut out).map(|taken| taken.spans), Ok(1));
    assert!(otlp::view::Traces::new(&out).spans_with_parents().all(|at| at.span.name() == "s\u{fffd}"));
}

#[test]
fn what_the_reference_loses_is_preserved_if_asked_for() {
    let document = json!({
        "origin": "AWS::EC2::Instance", "fault": true, "error": false, "throttle": true, "unknown": [1],
        "service": {"version": "1", "runtime": "CPython"}, "precursor_ids": ["00000000000000a0"],
        "annotations": {"big": 9_007_199_254_740_993_i64, "list": [1, 2]},
        "http": {"request": {"traced": true, "method": "GET"}},
        "links": [{"trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49b", "id": "00000000000000b0", "attributes": {"a": 1}}],
        "cause": {"working_directory": "/w", "paths": ["/a", "/b"], "exceptions": [
            {"id": "00000000000000e0", "stack": [{"path": "p", "line": 1, "label": "l"}]}]},
        "sql": {"url": "a://h/d", "connection_string": "cs", "preparation": "call", "database_version": "9",
            "driver_version": "4", "database_type": "x"},
        "aws": {
            "table_names": ["t1", "t2"], "resource_names": ["r"], "bucket_name": "b",
            "ec2": {"instance_id": "i", "instance_type": "m5"}, "ecs": {"task_arn": "t"},
            "cloudwatch_logs": [{"log_group": "g"}],
            "xray": {"sdk": "s", "auto_instrumentation": false, "sampling_rule_name": "Default"},
        },
        "subsegments": [{"name": "n", "id": "00000000000000a0", "start_time": 1, "namespace": "local",
            "origin": "x", "aws": {"ec2": {"instance_id": "j"}}}],
    });
    let options = Options { preserve: true, ..Options::default() };
    let Spans { resource, spans, .. } = translate(&changed(document), options).expect("taken");
    check(
        &resource,
        &json!({
            "cloud.platform": "aws_ecs", "aws.xray.origin": "AWS::EC2::Instance", "aws.xray.sdk": "s",
            "aws.xray.auto_instrumentation": false, "aws.xray.service.runtime": "CPython", "aws.xray.service.version": "1",
            "aws.xray.ec2.instance_id": "i", "aws.xray.ec2.instance_type": "m5", "aws.xray.ecs.task_arn": "t",
            "aws.xray.cloudwatch_logs": "[{\"log_group\":\"g\"}]",
        }),
    );
    let [shop, nested] = spans.as_slice() else { panic!("two spans") };
    let extra = r#"{"unknown":[1],"annotations":{"list":[1,2]},"aws":{"bucket_name":"b","xray":{"sampling_rule_name":"Default"}},"http":{"request":{"traced":true}}}"#;
    check(
        &shop["attributes"],
        &json!({
            "aws.xray.type": "segment", "aws.xray.name": "shop", "aws.xray.fault": true, "aws.xray.error": false,
            "aws.xray.throttle": true, "aws.xray.precursor_ids": ["00000000000000a0"], "big": {"int": 9_007_199_254_740_993_i64},
            "aws.xray.cause.working_directory": "/w", "aws.xray.cause.paths": ["/a", "/b"],
            "aws.xray.sql.url": "a://h/d", "aws.xray.sql.connection_string": "cs", "aws.xray.sql.preparation": "call",
            "aws.xray.sql.database_version": "9", "aws.xray.sql.driver_version": "4", "aws.xray.sql.database_type": "x",
            "aws.xray.table_names": ["t1", "t2"], "aws.xray.resource_names": ["r"], "aws.xray.extra": extra,
        }),
    );
    let stack = &shop["events"][0]["attributes"]["aws.xray.exception.stack"];
    assert_eq!(stack, "[{\"label\":\"l\",\"line\":1,\"path\":\"p\"}]");
    let link = json!([{"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49b", "spanId": "00000000000000b0",
        "attributes": [{"key": "a", "value": {"intValue": "1"}}]}]);
    assert_eq!(shop["links"], link);
    let extra = r#"{"origin":"x","aws":{"ec2":{"instance_id":"j"}}}"#;
    let wanted = json!({
        "aws.xray.type": "subsegment", "aws.xray.embedded": true, "aws.xray.name": "n",
        "aws.xray.namespace": "local", "aws.xray.extra": extra,
    });
    assert_eq!(nested["attributes"], wanted);
}
