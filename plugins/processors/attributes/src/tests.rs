use bytes_of::{attribute_keys, log, logs, metrics, span, spans};
use component::Carries;
use config::{Diagnostics, Sources, yaml};
use data::{Context, Part, Signals, Time};
use testkit::Harness;
use testkit::generate::batch;

use super::*;

mod bytes_of;
mod selection;

fn config(text: &str) -> Config {
    config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

fn attributes(text: &str) -> Attributes {
    Attributes::new(&config(text)).expect("fine patterns")
}

/// Sends one request and gives back its bytes.
fn send(stage: &mut Harness, signal: data::Signal, request: Vec<u8>) -> Vec<u8> {
    send_from(stage, signal, request, Context::default())
}

fn send_from(stage: &mut Harness, signal: data::Signal, request: Vec<u8>, context: Context) -> Vec<u8> {
    let batch = Batch::new(signal, vec![Part::from(request)], 1, Time::default());
    let sent = stage.send(batch.with_context(context.into()));
    let bytes = sent.iter().flat_map(Batch::chunks).flatten().copied().collect();
    sent.into_iter().for_each(Batch::delivered);
    bytes
}

const THREE: &str = "
actions:
- {key: deployment, value: test, action: insert}
- {key: http.request.method, value: POST, action: update}
- {key: url.path, action: delete}
";

#[test]
fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, false);
    testkit::contract::processor(|| attributes(THREE), Carries::Same(Signals::OTLP));
    let idle = "actions: [{key: nobody has this, action: delete}]";
    testkit::contract::processor(|| attributes(idle), Carries::Same(Signals::OTLP));
}

#[test]
fn published_examples_are_taken() {
    let text = include_str!("../testdata/published.yaml");
    let mut sources = Sources::default();
    let source = sources.add("published.yaml", text);
    let mut diagnostics = Diagnostics::new(sources);
    let tree = yaml::parse(text, source, &mut diagnostics).expect("it is YAML");
    assert!(tree.entries().len() > 20);
    for (name, body) in tree.entries() {
        let config: Option<Config> = config::read(body, &mut diagnostics, &name.text);
        let config = config.unwrap_or_else(|| panic!("{diagnostics:?}"));
        assert!(Attributes::new(&config).is_ok(), "{}", name.text);
    }
}

#[test]
fn what_no_action_finds_keeps_its_bytes() {
    let mut stage = Harness::new(attributes(
        "
include: {match_type: strict, services: [another]}
actions: [{key: url.path, action: delete}]",
    ));
    for signal in [data::Signal::Traces, data::Signal::Logs] {
        // Nobody has the key, or nothing is included.
        let batch = batch(signal, 1, 3);
        let before: Vec<_> = batch.chunks().map(|bytes| bytes.as_ptr()).collect();
        let sent = stage.send(batch);
        assert_eq!(sent[0].chunks().map(|bytes| bytes.as_ptr()).collect::<Vec<_>>(), before);
        sent.into_iter().for_each(Batch::delivered);
    }
}

/// Which of some spans are changed.
#[track_caller]
fn check_spans(blocks: &str, changed: &[&str]) {
    let request = spans(&[
        ("shop", "lib", "1.0", &[span("GET /", 2, "env", "dev"), span("db", 3, "env", "prod")]),
        ("auth", "lib", "", &[span("login", 2, "user", "x")]),
        ("", "other", "2.0", &[span("orphan", 0, "env", "dev")]),
    ]);
    let text = format!("{blocks}\nactions: [{{key: found, value: true, action: insert}}]");
    let result = send(&mut Harness::new(attributes(&text)), data::Signal::Traces, request);
    let found = attribute_keys(data::Signal::Traces, &result);
    let found = found.into_iter().filter(|(_, keys)| keys.contains(&"found".to_owned()));
    assert_eq!(found.map(|(name, _)| name).collect::<Vec<_>>(), changed, "{blocks}");
}

#[test]
fn spans_are_included_and_excluded() {
    let all = ["GET /", "db", "login", "orphan"];
    check_spans("", &all);
    check_spans("include: {match_type: strict, services: [shop]}", &all[..2]);
    check_spans("include: {match_type: strict, services: [sho]}", &[]);
    check_spans("include: {match_type: regexp, services: ['^sh', 'uth']}", &all[..3]);
    // A resource without a name has one, for the Collector.
    check_spans("include: {match_type: regexp, services: ['nil']}", &["orphan"]);
    check_spans("exclude: {match_type: strict, services: [shop, auth]}", &["orphan"]);
    check_spans("include: {match_type: strict, span_names: [db, login]}", &["db", "login"]);
    check_spans("exclude: {match_type: regexp, span_names: ['^[a-z]+$']}", &["GET /"]);
    check_spans("include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER]}", &["GET /", "login"]);
    check_spans("include: {match_type: regexp, span_kinds: ['UNSPECIFIED$']}", &["orphan"]);
    check_spans("include: {match_type: strict, attributes: [{key: env}]}", &["GET /", "db", "orphan"]);
    check_spans("include: {match_type: strict, attributes: [{key: env, value: dev}]}", &["GET /", "orphan"]);
    check_spans("include: {match_type: strict, attributes: [{key: env, value: dev}, {key: user}]}", &[]);
    check_spans(
        "include: {match_type: regexp, attributes: [{key: env, value: '^(dev|prod)$'}]}",
        &["GET /", "db", "orphan"],
    );
    check_spans("include: {match_type: strict, resources: [{key: service.name, value: auth}]}", &["login"]);
    check_spans("include: {match_type: strict, libraries: [{name: lib}]}", &all[..3]);
    check_spans("include: {match_type: strict, libraries: [{name: lib, version: ''}]}", &["login"]);
    check_spans(
        "include: {match_type: strict, libraries: [{name: lib, version: '1.0'}, {name: other}]}",
        &["GET /", "db", "orphan"],
    );
    // Everything that is given must match, of both blocks.
    check_spans("include: {match_type: strict, services: [shop], span_names: [db, login]}", &["db"]);
    check_spans(
        "exclude: {match_type: strict, services: [shop], span_names: [db, login]}",
        &["GET /", "login", "orphan"],
    );
    check_spans(
        "include: {match_type: strict, services: [shop, auth]}\nexclude: {match_type: strict, libraries: [{name: lib, version: '1.0'}]}",
        &["login"],
    );
    check_spans(
        "include: {match_type: strict, services: [shop]}\nexclude: {match_type: strict, attributes: [{key: env, value: prod}]}",
        &["GET /"],
    );
}

#[test]
fn log_records_are_included_and_excluded() {
    let request = logs(&[log("AUTH ok", "INFO", 9), log("nothing", "debug2", 6), log("AUTH no", "", 0)]);
    let check = |blocks: &str, changed: &[usize]| {
        let text = format!("{blocks}\nactions: [{{key: found, value: 1, action: insert}}]");
        let result = send(&mut Harness::new(attributes(&text)), data::Signal::Logs, request.clone());
        let found = attribute_keys(data::Signal::Logs, &result);
        let found = found.iter().enumerate().filter(|(_, (_, keys))| keys.contains(&"found".to_owned()));
        assert_eq!(found.map(|(index, _)| index).collect::<Vec<_>>(), changed, "{blocks}");
    };
    check("", &[0, 1, 2]);
    check("include: {match_type: regexp, log_bodies: ['^AUTH']}", &[0, 2]);
    check("include: {match_type: strict, log_bodies: ['nothing', 'AUTH']}", &[1]);
    check("include: {match_type: regexp, log_severity_texts: ['debug.*']}", &[1]);
    check("include: {match_type: strict, log_severity_number: {min: 7}}", &[0]);
    check("include: {log_severity_number: {min: 6, match_undefined: true}}", &[0, 1, 2]);
    check("exclude: {match_type: strict, log_severity_number: {min: 6}}", &[2]);
    check("include: {match_type: strict, resources: [{key: service.name, value: other}]}", &[]);
    check("include: {match_type: strict, resources: [{key: service.name, value: shop}]}", &[0, 1, 2]);
}

#[test]
fn data_points_of_every_kind_are_changed() {
    let request = metrics(&["http.duration", "queue.depth"]);
    let check = |blocks: &str, changed: &[&str]| {
        let text = format!("{blocks}\nactions: [{{key: found, value: 1, action: insert}}]");
        let result = send(&mut Harness::new(attributes(&text)), data::Signal::Metrics, request.clone());
        let found = attribute_keys(data::Signal::Metrics, &result);
        assert_eq!(found.len(), 10);
        let found = found.into_iter().filter(|(_, keys)| keys.contains(&"found".to_owned()));
        assert_eq!(found.map(|(name, _)| name).collect::<Vec<_>>(), changed, "{blocks}");
    };
    let of = |name: &'static str| [name; 5];
    let (http, queue) = (of("http.duration"), of("queue.depth"));
    let all = [http, queue].concat();
    check("", &all);
    check("include: {match_type: strict, metric_names: [queue.depth]}", &queue);
    check("exclude: {match_type: regexp, metric_names: ['^queue']}", &http);
    check("include: {match_type: strict, resources: [{key: service.name, value: shop}]}", &all);
    check("exclude: {match_type: strict, resources: [{key: service.name, value: shop}]}", &[]);
    check(
        "exclude: {match_type: strict, metric_names: [queue.depth], resources: [{key: service.name, value: shop}]}",
        &http,
    );
    // Says nothing about metrics: the Collector takes all of them.
    check("include: {match_type: strict, services: [nobody]}", &all);
    check("exclude: {match_type: strict, services: [shop]}", &all);
}

#[test]
fn what_is_known_of_the_sender_becomes_an_attribute() {
    let text = "
actions:
- {key: tenant, from_context: metadata.X-Tenant, action: insert}
- {key: user, from_context: auth.subject, action: insert}
- {key: client, from_context: client.address, action: insert}
- {key: absent, from_context: metadata.nothing, action: insert}
- {key: origin, from_context: metadata.nothing, default_value: unknown, action: insert}
";
    let mut stage = Harness::new(attributes(text));
    let context = Context {
        metadata: vec![("x-tenant".into(), vec!["a".into(), "b".into()])],
        auth: vec![("subject".into(), "me".into())],
        peer: Some("192.0.2.7:1234".parse().expect("an address")),
    };
    let request = || spans(&[("shop", "lib", "", &[span("one", 1, "env", "dev")])]);
    let found = attribute_keys(
        data::Signal::Traces,
        &send_from(&mut stage, data::Signal::Traces, request(), context),
    );
    assert_eq!(found[0].1, ["env", "tenant", "user", "client", "origin"]);
    // The next sender is another one.
    let found = attribute_keys(data::Signal::Traces, &send(&mut stage, data::Signal::Traces, request()));
    assert_eq!(found[0].1, ["env", "origin"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let check = |text: &str, place: &str, message: &str| {
        let found = config::read_text::<Config>(text).expect_err(text).to_string();
        assert!(found.contains(message) && found.contains(&format!("text:{place}")), "{text}:\n{found}");
    };
    let action = |place: &str, action: &str, message: &str| {
        check(&format!("actions:\n- {{{action}}}"), place, message);
    };
    check("actions: []", "1:1", "missing required field \"actions\"");
    action("2:3", "key: a", "unsupported action \"\", expected one of insert, update, upsert");
    action("2:20", "key: a, action: 'insrt'", "unsupported action \"insrt\"");
    action("2:3", "action: upsert, value: 1", "missing required field \"key\"");
    action("2:3", "action: delete", "at least one of \"key\" and \"pattern\" have to be used");
    action("2:3", "key: a, action: insert", "either field \"value\", \"from_attribute\", \"from_context\"");
    action(
        "2:52",
        "key: a, action: update, value: 1, from_context: b",
        "multiple value sources being set: value, from_context",
    );
    action(
        "2:47",
        "key: a, action: INSERT, value: 1, pattern: 'x'",
        "action \"insert\" does not use the \"pattern\" field",
    );
    action(
        "2:54",
        "key: a, action: insert, value: 1, converted_type: int",
        "does not use the \"converted_type\" field",
    );
    action("2:35", "key: a, action: delete, value: 1", "action \"delete\" does not use the \"value\" field");
    action("2:42", "key: a, action: hash, from_attribute: b", "does not use the \"from_attribute\" field");
    action("2:37", "key: a, action: delete, pattern: '('", "field \"pattern\" has invalid pattern: \"(\"");
    action("2:3", "key: a, action: extract", "missing required field \"pattern\" for action \"extract\"");
    action("2:38", "key: a, action: extract, pattern: '.*'", "contains no named matcher groups");
    action("2:38", "key: a, action: extract, pattern: '(?P<a>b)(c)'", "at least one unnamed matcher group");
    action("2:38", "key: a, action: extract, pattern: '(?P<a.b>c)'", "has invalid pattern");
    action(
        "2:36",
        "key: a, action: extract, value: 1, pattern: '(?P<a>b)'",
        "does not use the \"value\" field",
    );
    action(
        "2:3",
        "key: a, action: convert",
        "missing required field \"converted_type\" for action \"convert\"",
    );
    action(
        "2:45",
        "key: a, action: convert, converted_type: bool",
        "invalid value \"bool\" in field \"converted_type\"",
    );
    action("2:28", "key: a, action: delete, klucz: b", "unknown key `klucz`");

    let block = |place: &str, block: &str, message: &str| {
        check(&format!("actions: [{{key: a, action: delete}}]\ninclude: {{{block}}}"), place, message);
    };
    block("2:1", "services: [a]", "unrecognized match_type: '', valid types are: [regexp strict]");
    block("2:23", "match_type: glob, services: [a]", "expected one of `strict`, `regexp`");
    block("2:47", "match_type: regexp, services: ['a', '(']", "invalid pattern `(`");
    block(
        "2:44",
        "match_type: strict, attributes: [{value: 1}]",
        "can't have empty key in the list of attributes",
    );
    block(
        "2:60",
        "match_type: regexp, attributes: [{key: a, value: 1}]",
        "match_type=regexp for \"a\" only supports Str, but found Int",
    );
}

#[test]
fn what_does_not_fit_the_signal_is_refused_when_it_is_built() {
    let build = |signal: data::Signal, block: &str| {
        let config = config(&format!("actions: [{{key: a, action: delete}}]\n{block}"));
        let cx = BuildCx { signal: Some(signal), ..testkit::build_cx() };
        Attributes::build(&config, &cx).err().map(|error| error.to_string())
    };
    use data::Signal::{Logs, Metrics, Traces};
    let strict = |key: &str| format!("exclude: {{match_type: strict, {key}: [a]}}");
    let refused = |signal, block: &str, message: &str| {
        assert_eq!(build(signal, block).as_deref(), Some(message), "{block}");
    };
    let for_spans = "should not be specified for trace spans";
    refused(Traces, &strict("log_bodies"), &format!("exclude::log_bodies: log_bodies {for_spans}"));
    refused(
        Traces,
        "include: {log_severity_number: {min: 1}}",
        &format!("include::log_severity_number: log_severity_number {for_spans}"),
    );
    refused(
        Traces,
        "include: {}",
        "include: at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified",
    );
    refused(
        Traces,
        &strict("metric_names"),
        "exclude: at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified",
    );
    let kinds =
        "[SPAN_KIND_CLIENT SPAN_KIND_CONSUMER SPAN_KIND_INTERNAL SPAN_KIND_PRODUCER SPAN_KIND_SERVER]";
    refused(
        Traces,
        &strict("span_kinds"),
        &format!(
            "exclude::span_kinds: span_kinds string must match one of the standard span kinds when match_type=strict: {kinds}"
        ),
    );
    refused(
        Logs,
        &strict("services"),
        "exclude::services: services, span_names, and span_kinds are not valid for log records",
    );
    assert!(build(Logs, "include: {match_type: strict}").is_some_and(|text| text.contains("\"log_bodies\"")));
    // As the Collector does, with a line in the log.
    for signal in [Metrics, Traces] {
        assert_eq!(build(signal, &strict("services")), None);
    }
    assert_eq!(build(Metrics, "include: {}"), None);
    assert_eq!(build(Traces, "include:"), None, "without a value it is not there");
    assert_eq!(build(Logs, &strict("log_bodies")), None);
}
