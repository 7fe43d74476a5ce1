//! X-Ray to OTLP and back: with what is preserved, every document says afterwards what it said before.

mod support;

use collimator_xray::from_span::{Documents, Options, Translator};
use collimator_xray::to_span;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{same_numbers, without_nulls};

/// A number that no double holds. It comes back as a string.
const HUGE: &str = "1e400";

/// There and back.
fn returned(document: &Value) -> Vec<Value> {
    // The one number that a `Value` can't hold.
    let text = document.to_string().replace(&format!("\"{HUGE}\""), HUGE).into_bytes();
    let options = to_span::Options { preserve: true, ..to_span::Options::default() };
    let mut request = Vec::new();
    let taken = to_span::read(&text, &options, &mut request).expect("a document");
    assert_eq!(taken.dropped, []);
    let mut documents = Documents::default();
    let options = Options { preserve_xray_fields: true, ..Options::default() };
    Translator::new(options, 1).translate(&request, 0, &mut documents);
    assert_eq!(documents.items, taken.spans);
    let texts = documents.entries.iter().map(|entry| documents.text(entry));
    texts.map(|text| serde_json::from_slice(text).expect("JSON")).collect()
}

/// What should come back: every segment by itself, parents before children.
fn apart(document: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    gather(document, document["trace_id"].as_str().expect("a trace id"), None, &mut all);
    all
}

fn gather(segment: &Value, trace_id: &str, parent: Option<&str>, all: &mut Vec<Value>) {
    let mut own = segment.clone();
    let members = own.as_object_mut().expect("an object");
    let nested = members.remove("subsegments").unwrap_or_default();
    if let Some(parent) = parent {
        members.entry("trace_id").or_insert_with(|| json!(trace_id));
        members.insert("parent_id".into(), json!(parent));
        members.insert("type".into(), json!("subsegment"));
    }
    let id = members["id"].as_str().expect("an id").to_owned();
    all.push(own);
    for child in nested.as_array().into_iter().flatten() {
        gather(child, trace_id, Some(&id), all);
    }
}

/// What makes no difference: flags that are not set, objects with nothing in them, how numbers are spelt, some 100 ns.
fn form(mut document: Value) -> Value {
    for flag in ["fault", "error", "throttle"] {
        if document.get(flag).is_none() {
            document[flag] = json!(false);
        }
    }
    for time in ["start_time", "end_time"] {
        if let Some(time) = document.get_mut(time) {
            *time = json!((time.as_f64().expect("a number") * 1e6 + 0.1).floor() as i64 / 10 * 10);
        }
    }
    same_numbers(&mut document);
    without_empty(&document)
}

fn without_empty(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let kept = members.iter().map(|(key, value)| (key.clone(), without_empty(value)));
    // A cause says something by being there.
    let says_nothing = |key: &str, value: &Value| *value == json!({}) && key != "cause";
    Value::Object(kept.filter(|(key, value)| !says_nothing(key, value)).collect::<Map<_, _>>())
}

#[track_caller]
fn check(document: &Value) {
    let back: Vec<Value> = returned(document).into_iter().map(form).collect();
    let sent: Vec<Value> = apart(document).into_iter().map(form).collect();
    assert_eq!(back.len(), sent.len());
    for (back, sent) in back.iter().zip(&sent) {
        assert!(back == sent, "back:\n{back:#}\nsent:\n{sent:#}");
    }
}

#[test]
fn a_document_with_everything_comes_back() {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../fuzz/seeds/everything.json")).expect("JSON");
    // Some is wrong in it on purpose.
    document["subsegments"].as_array_mut().expect("a list").truncate(1);
    check(&document);
}

#[test]
fn blanks_make_no_difference_to_what_is_preserved() {
    let document: Value =
        serde_json::from_slice(include_bytes!("../fuzz/seeds/everything.json")).expect("JSON");
    for preserve in [false, true] {
        let options = to_span::Options { preserve, links: true, ..to_span::Options::default() };
        let read = |text: String| {
            let mut request = Vec::new();
            to_span::read(text.as_bytes(), &options, &mut request).expect("a document");
            request
        };
        let pretty = serde_json::to_string_pretty(&document).expect("JSON").replace('\n', " \r\n\t");
        assert!(read(pretty) == read(document.to_string()), "preserve: {preserve}");
    }
}

#[test]
fn what_is_odd_comes_back_too() {
    for more in [
        json!({"cause": {}}),
        json!({"cause": {"exceptions": []}}),
        json!({"cause": {"working_directory": "d", "exceptions": []}}),
        json!({"cause": {"exceptions": [{"id": "1", "stack": [], "extra": {"a": [1, HUGE]}}, {"id": "2", "other": "o"}]}}),
        json!({"links": [{"trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a", "id": "6226467e3f845502"}, {"id": 5.to_string()}]}),
        json!({"links": [{"trace_id": "nowhere"}]}),
        json!({"aws": {"table_names": [null, "t", null], "resource_names": [null]}, "precursor_ids": [null]}),
        json!({"http": {"response": {"content_length": 7.5}}}),
        json!({"http": {"response": {"content_length": {"of": "some"}}}}),
        json!({"metadata": {"default": {"huge": HUGE}, "other": {"a": {"b": [HUGE]}}}, "unknown": HUGE}),
    ] {
        let mut document = json!({"name": "shop", "id": "6226467e3f845502",
            "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a", "start_time": 1, "end_time": 2});
        for (key, value) in more.as_object().expect("an object") {
            document[key] = value.clone();
        }
        check(&document);
    }
}

/// The parent of a subsegment is what it is nested in, and the span tells what it said itself.
#[test]
fn what_a_nested_segment_calls_its_parent_is_not_lost() {
    for (said, kept) in [("6226467e3f845502", false), ("1111111111111111", true)] {
        let document = json!({"name": "shop", "id": "6226467e3f845502", "start_time": 1, "end_time": 2,
            "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
            "subsegments": [{"name": "call", "id": "2222222222222222", "start_time": 1, "end_time": 2, "parent_id": said}]});
        check(&document);
        let options = to_span::Options { preserve: true, ..to_span::Options::default() };
        let mut request = Vec::new();
        to_span::read(document.to_string().as_bytes(), &options, &mut request).expect("a document");
        assert_eq!(memchr::memmem::find(&request, said.as_bytes()).is_some(), kept, "{said}");
    }
}

#[test]
fn annotations_with_names_of_ours_change_nothing_else() {
    for more in [
        json!({"user": "u", "annotations": {"aws.xray.type": "q", "aws.xray.fault": true, "enduser.id": "u2"}}),
        json!({"http": {"request": {"method": "GET"}}, "annotations": {"http.method": "override", "x": 1}}),
        json!({"http": {"request": {"method": "GET"}}, "annotations": {"http.method": [1], "http.url": "u"}}),
        json!({"annotations": {"aws.xray.extra": "{}", "aws.xray.annotations": 5, "aws.xray.metadata.default": false},
            "metadata": {"default": {"a": 1}}}),
    ] {
        let mut document = json!({"name": "shop", "id": "6226467e3f845502",
            "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a", "start_time": 1, "end_time": 2});
        for (key, value) in more.as_object().expect("an object") {
            document[key] = value.clone();
        }
        check(&document);
    }
}

/// A document as the receiver makes a span of it, changed by a processor, and back.
fn changed(document: &Value, change: fn(&mut Value)) -> Value {
    let options = to_span::Options { preserve: true, ..to_span::Options::default() };
    let mut request = Vec::new();
    to_span::read(&serde_json::to_vec(document).expect("JSON"), &options, &mut request).expect("a document");
    let mut text = Vec::new();
    otlp_json::write(&otlp::schema::TRACES, &request, &mut text);
    let mut spans: Value = serde_json::from_slice(&text).expect("JSON");
    change(&mut spans["resourceSpans"][0]["scopeSpans"][0]["spans"][0]);
    let options = Options { preserve_xray_fields: true, ..Options::default() };
    let mut documents = Documents::default();
    Translator::new(options, 1).translate(&support::wire(&spans), 0, &mut documents);
    support::assert_unique(&documents.bytes);
    serde_json::from_slice(&documents.bytes).expect("JSON")
}

fn small() -> Value {
    json!({"name": "sh,op", "id": "6226467e3f845502", "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
        "start_time": 1, "end_time": 2, "annotations": {"k": 1, "n": 2}, "metadata": {"default": {"a": 1}}})
}

#[test]
fn another_name_counts_and_is_one_that_x_ray_takes() {
    assert_eq!(changed(&small(), |_| {})["name"], "sh,op");
    assert_eq!(changed(&small(), |span| span["name"] = json!("new, name"))["name"], "new name");
    assert_eq!(changed(&small(), |span| span["name"] = json!(""))["name"], "sh,op");
    assert_eq!(changed(&small(), |span| span["name"] = json!("()"))["name"], "sh,op");
}

#[test]
fn what_json_or_x_ray_has_no_form_for_is_told_as_for_other_spans() {
    let back = changed(&small(), |span| {
        for attribute in span["attributes"].as_array_mut().expect("a list") {
            if attribute["key"] == "n" {
                attribute["value"] = json!({"doubleValue": "NaN"});
            }
        }
        span["spanId"] = json!("");
    });
    assert_eq!(back["annotations"], json!({"k": 1}));
    assert_eq!(back["metadata"], json!({"default": {"a": 1, "n": "NaN"}}));
    assert_eq!(back["id"], Value::Null);
    let mut endless = small();
    endless["end_time"] = json!(0);
    check(&endless);
    endless.as_object_mut().expect("an object").remove("end_time");
    check(&endless);
}

#[test]
fn annotations_in_the_extra_field_are_annotations_again() {
    let back = changed(&small(), |span| {
        let extra =
            json!({"annotations": {"aws.xray.type": "q", "http.method": "override", "k": 7}}).to_string();
        let attributes = span["attributes"].as_array_mut().expect("a list");
        attributes.push(json!({"key": "aws.xray.extra", "value": {"stringValue": extra}}));
    });
    assert_eq!(back["annotations"], json!({"k": 1, "n": 2, "aws.xray.type": "q", "http.method": "override"}));
    assert_eq!((&back["type"], &back["http"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_was_added_on_the_way_is_kept() {
    let document = json!({"name": "shop", "id": "6226467e3f845502", "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
        "start_time": 1, "end_time": 2, "metadata": {"default": {"a": 1}}, "annotations": {"k": true}});
    let text = serde_json::to_vec(&document).expect("JSON");
    let options = to_span::Options { preserve: true, ..to_span::Options::default() };
    let mut request = Vec::new();
    to_span::read(&text, &options, &mut request).expect("a document");
    let mut added = Vec::new();
    struct Add;
    impl otlp::edit::Editor for Add {
        fn span(&mut self, span: &mut otlp::edit::SpanEdit<'_>) -> otlp::edit::Fate {
            span.attributes().set("team", "blue");
            span.attributes().set("plain", 7_i64);
            otlp::edit::Fate::Keep
        }
    }
    added.extend_from_slice(&otlp::edit::edit(otlp::Signal::Traces, &request.into(), &mut Add).bytes);
    let mut documents = Documents::default();
    let options =
        Options { preserve_xray_fields: true, indexed_attributes: vec!["team".into()], ..Options::default() };
    Translator::new(options, 1).translate(&added, 0, &mut documents);
    let back: Value = serde_json::from_slice(&documents.bytes).expect("JSON");
    assert_eq!(back["metadata"], json!({"default": {"a": 1, "plain": 7}}));
    assert_eq!(back["annotations"], json!({"k": true, "team": "blue"}));
}

#[test]
fn without_the_option_nothing_is_read_back() {
    let document = json!({"name": "a,b", "id": "6226467e3f845502", "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
        "start_time": 1, "end_time": 2, "fault": true, "origin": "AWS::EC2::Instance"});
    let text = serde_json::to_vec(&document).expect("JSON");
    let options = to_span::Options { preserve: true, ..to_span::Options::default() };
    let mut request = Vec::new();
    to_span::read(&text, &options, &mut request).expect("a document");
    let mut documents = Documents::default();
    Translator::new(Options::default(), 1).translate(&request, 0, &mut documents);
    let back: Value = serde_json::from_slice(&documents.bytes).expect("JSON");
    assert_eq!((&back["name"], back.get("origin")), (&json!("ab"), None));
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[a-zA-Z0-9_./: -]{1,20}", "[a-zé日\"\\\\]{1,10}"]
}

fn id() -> impl Strategy<Value = String> {
    "[1-9a-f][0-9a-f]{15}"
}

/// An object of what is there.
fn object(members: Vec<(&'static str, Option<Value>)>) -> Value {
    let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(members.collect())
}

fn text() -> impl Strategy<Value = Option<Value>> {
    of(word().prop_map(Value::from))
}

fn flag() -> impl Strategy<Value = Option<Value>> {
    of(any::<bool>().prop_map(Value::from))
}

fn whole() -> impl Strategy<Value = Option<Value>> {
    of((0..1_000_000_i64).prop_map(Value::from))
}

/// Texts, and now and then a null among them.
fn words() -> BoxedStrategy<Option<Value>> {
    let one = prop_oneof![9 => word().prop_map(Value::from), 1 => Just(Value::Null)];
    of(vec(one, 0..4).prop_map(Value::from)).boxed()
}

/// A content length, which is of any type.
fn length() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => (0..1_000_000_i64).prop_map(Value::from),
        1 => any::<i32>().prop_map(|halves| json!(f64::from(halves) / 2.0)),
        1 => Just(json!(1e300)),
        1 => word().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => vec(any::<bool>(), 0..2).prop_map(Value::from),
    ]
    .boxed()
}

prop_compose! {
    fn http()(method in text(), url in text(), agent in text(), ip in text(), forwarded in flag(), traced in flag(),
              status in of(100..600_i64), length in of(length())) -> Value {
        json!({
            "request": object(vec![("method", method), ("url", url), ("user_agent", agent), ("client_ip", ip),
                ("x_forwarded_for", forwarded), ("traced", traced)]),
            "response": object(vec![("status", status.map(Value::from)), ("content_length", length)]),
        })
    }
}

prop_compose! {
    fn exception()(own in id(), message in text(), kind in text(), remote in flag(), truncated in whole(), skipped in whole(),
                   cause in of(id()), frames in of(vec((word(), whole(), text()), 0..4)), more in of(metadata())) -> Value {
        let stack = frames.map(|frames| frames.into_iter()
            .map(|(path, line, label)| object(vec![("path", Some(path.into())), ("line", line), ("label", label)])).collect());
        object(vec![("id", Some(own.into())), ("message", message), ("type", kind), ("remote", remote),
            ("truncated", truncated), ("skipped", skipped), ("cause", cause.map(Value::from)), ("stack", stack), ("more", more)])
    }
}

fn cause() -> BoxedStrategy<Value> {
    let full = (text(), words(), of(vec(exception(), 0..4))).prop_map(|(folder, paths, exceptions)| {
        let exceptions = exceptions.map(Value::from);
        object(vec![("working_directory", folder), ("paths", paths), ("exceptions", exceptions)])
    });
    prop_oneof![id().prop_map(Value::from), full].boxed()
}

prop_compose! {
    fn call()(account in text(), operation in text(), region in text(), request in text(), queue in text(), table in text(),
              tables in words(), names in words(), retries in whole(), bucket in text()) -> Value {
        object(vec![("account_id", account), ("operation", operation), ("region", region), ("request_id", request),
            ("queue_url", queue), ("table_name", table), ("table_names", tables), ("resource_names", names),
            ("retries", retries), ("bucket_name", bucket)])
    }
}

fn block(fields: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    of(vec(text(), fields.len()).prop_map(|values| object(fields.iter().copied().zip(values).collect())))
}

prop_compose! {
    fn host()(ec2 in block(&["instance_id", "availability_zone", "instance_size", "ami_id"]),
              ecs in block(&["container", "container_id", "task_arn", "task_family", "cluster_arn", "container_arn",
                  "availability_zone", "launch_type"]),
              eks in block(&["cluster_name", "pod", "container_id"]),
              beanstalk in block(&["environment_name", "version_label"]), deployment in whole(),
              sdk in block(&["sdk", "sdk_version", "sampling_rule_name"]), automatic in flag(),
              logs in of(vec(block(&["log_group", "arn"]), 1..3))) -> Value {
        let with = |block: Option<Value>, key: &str, value: Option<Value>| {
            let mut block = block?;
            if let Some(value) = value {
                block[key] = value;
            }
            Some(block)
        };
        let logs = logs.map(|logs| logs.into_iter().flatten().collect::<Value>());
        object(vec![("ec2", ec2), ("ecs", ecs), ("eks", eks),
            ("elastic_beanstalk", with(beanstalk, "deployment_id", deployment)),
            ("xray", with(sdk, "auto_instrumentation", automatic)), ("cloudwatch_logs", logs)])
    }
}

fn sql() -> impl Strategy<Value = Option<Value>> {
    block(&[
        "connection_string",
        "url",
        "sanitized_query",
        "database_type",
        "database_version",
        "driver_version",
        "user",
        "preparation",
    ])
}

/// Keys of annotations, names of ours among them.
fn key() -> impl Strategy<Value = String> {
    let ours = proptest::sample::select(vec![
        "http.method",
        "http.status_code",
        "enduser.id",
        "aws.table_name",
        "aws.xray.type",
        "aws.xray.extra",
        "aws.xray.retries",
        "aws.xray.metadata.default",
        "db.user",
        "db.statement",
    ]);
    prop_oneof![4 => "[a-z]{1,4}[A-Z]", 1 => ours.prop_map(str::to_owned)]
}

fn annotation() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Eighths: serde_json, without a feature that only we would want, is off by a bit elsewhere.
        any::<i32>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        vec(word(), 0..3).prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn metadata() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![4 => word().prop_map(Value::from), 4 => any::<i64>().prop_map(Value::from), 4 => Just(Value::Null),
            1 => Just(HUGE.into())];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(word(), inner, 1..3).prop_map(to_object)
        ]
    });
    let namespace = prop_oneof![Just("default".to_owned()), "[a-z]{1,6}"];
    btree_map(namespace, btree_map(word(), value, 1..3).prop_map(to_object), 1..3).prop_map(to_object).boxed()
}

/// An attribute of a link; null is none.
fn link_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::from),
        vec(any::<i32>(), 0..3).prop_map(Value::from),
        btree_map(word(), word(), 1..3).prop_map(|map| json!(map)),
    ]
}

/// A link that leads nowhere; those come back behind the others.
fn odd_link() -> BoxedStrategy<Value> {
    (text(), of(id()), of(metadata()))
        .prop_map(|(trace_id, id, attributes)| {
            object(vec![("trace_id", trace_id), ("id", id.map(Value::from)), ("attributes", attributes)])
        })
        .boxed()
}

fn to_object(members: std::collections::BTreeMap<String, Value>) -> Value {
    Value::Object(members.into_iter().collect())
}

prop_compose! {
    fn segment()(own in id(), name in word(), start in 1_400_000_000_000_000..1_900_000_000_000_000_i64, end in of(0..9_000_000_i64),
                 namespace in of(prop_oneof![Just("aws"), Just("remote"), Just("local")]), flags in vec(flag(), 4),
                 (user, unknown) in (text(), of(metadata())), http in of(http()), cause in of(cause()), aws in of(call()),
                 sql in sql(), annotations in of(btree_map(key(), annotation(), 1..5)), metadata in of(metadata()),
                 precursors in words(), parent in of(id())) -> Value {
        // Fives, so that what is cut to tens below stays on its side.
        let micros = |micros: i64| json!((micros / 10 * 10 + 5) as f64 / 1e6);
        let mut flags = flags.into_iter();
        let mut flag = || flags.next().flatten();
        object(vec![
            ("name", Some(name.into())), ("id", Some(own.into())), ("start_time", Some(micros(start))),
            ("end_time", end.map(|length| micros(start + length))),
            ("in_progress", end.is_none().then(|| true.into())),
            ("namespace", namespace.map(Value::from)),
            ("fault", flag()), ("error", flag()), ("throttle", flag()), ("traced", flag()),
            ("user", user), ("http", http), ("cause", cause), ("aws", aws), ("sql", sql),
            ("annotations", annotations.map(to_object)), ("metadata", metadata),
            ("precursor_ids", precursors), ("unknown", unknown), ("parent_id", parent.map(Value::from)),
        ])
    }
}

fn tree() -> BoxedStrategy<Value> {
    segment()
        .boxed()
        .prop_recursive(3, 6, 3, |inner| {
            (segment().boxed(), vec(inner, 1..3)).prop_map(|(mut segment, nested)| {
                segment["subsegments"] = nested.into();
                segment
            })
        })
        .boxed()
}

prop_compose! {
    fn document()(segment in tree(), trace in "1-[0-9a-f]{8}-[0-9a-f]{23}1", parent in of(id()), is_subsegment in any::<bool>(),
                  host in of(host()), origin in text(), arn in text(), service in block(&["version", "runtime", "compiler"]),
                  links in of(vec(("1-[0-9a-f]{8}-[0-9a-f]{23}1", id(), of(btree_map(word(), link_value(), 1..3))), 0..3)),
                  odd in of(vec(odd_link(), 1..3))) -> Value {
        let mut document = segment;
        document["trace_id"] = trace.into();
        let links: Vec<_> = links.into_iter().flatten().map(|(trace_id, id, attributes)| {
            let attributes = attributes.map(|map| json!(map));
            object(vec![("trace_id", Some(trace_id.into())), ("id", Some(id.into())), ("attributes", attributes)])
        }).chain(odd.into_iter().flatten()).collect();
        let links = (!links.is_empty()).then(|| links.into());
        let kind = (is_subsegment && parent.is_some()).then(|| "subsegment".into());
        for (key, value) in [("parent_id", parent.map(Value::from)), ("type", kind), ("origin", origin), ("resource_arn", arn),
                             ("service", service), ("links", links)] {
            if let Some(value) = value {
                document[key] = value;
            }
        }
        if let Some(Value::Object(host)) = host {
            for (key, value) in host {
                document["aws"][key] = value;
            }
        }
        without_nulls(&document)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn every_document_comes_back(document in document()) {
        check(&document);
    }
}
