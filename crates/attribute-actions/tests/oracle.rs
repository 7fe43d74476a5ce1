//! Actions do to encoded spans what a plain reading of them does to decoded ones.

use aws_lc_rs::digest::{SHA256, digest};
use collimator_attribute_actions::{Action, Actions};
use data::Context;
use matching::{Literal, Pattern};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use otlp::Signal;
use otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};
use otlp::view::View as _;
use proptest::prelude::*;
use prost::Message as _;

struct Editor(Actions);

impl AttributeEditor for Editor {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.0.apply(holder, changes);
    }
}

fn context() -> Context {
    Context {
        metadata: vec![("tenant".into(), vec!["a".into(), "b".into()])],
        auth: vec![("subject".into(), "me".into())],
        peer: None,
    }
}

/// What the actions do, read plainly: one after the other, on a list.
fn plain(actions: &[Action], list: &mut Vec<KeyValue>) {
    for action in actions {
        let key = action.key.as_str();
        match action.action.to_lowercase().as_str() {
            "insert" => put(action, list, |there| !there),
            "update" => put(action, list, |there| there),
            "upsert" => put(action, list, |_| true),
            "delete" => {
                list.retain(|it| key.is_empty() || it.key != key);
                if let Some(pattern) = pattern(action) {
                    list.retain(|it| !pattern.is_match(it.key.as_bytes()));
                }
            }
            "hash" => {
                if let Some(value) = get(list, key).filter(|_| !key.is_empty()) {
                    set(list, key, hash(&value));
                }
                if let Some(pattern) = pattern(action) {
                    for it in list.iter_mut().filter(|it| pattern.is_match(it.key.as_bytes())) {
                        it.value = Some(hash(&it.value.take().unwrap_or_default()));
                    }
                }
            }
            "extract" => {
                let pattern = pattern(action).expect("a pattern");
                let Some(AnyValue { value: Some(Value::StringValue(text)) }) = get(list, key) else {
                    continue;
                };
                let Some(groups) = pattern.captures(text.as_bytes()) else { continue };
                for (name, text) in pattern.groups().zip(groups) {
                    set(list, name.expect("a name"), string(&String::from_utf8_lossy(text)));
                }
            }
            "convert" => {
                let Some(value) = get(list, key) else { continue };
                if let Some(converted) = convert(&value, &action.converted_type) {
                    set(list, key, converted);
                }
            }
            other => panic!("{other}"),
        }
    }
}

fn pattern(action: &Action) -> Option<Pattern> {
    (!action.pattern.is_empty()).then(|| Pattern::new(&action.pattern).expect("a pattern"))
}

fn get(list: &[KeyValue], key: &str) -> Option<AnyValue> {
    list.iter().find(|it| it.key == key).map(|it| it.value.clone().unwrap_or_default())
}

/// Leaves the key there once.
fn set(list: &mut Vec<KeyValue>, key: &str, value: AnyValue) {
    let mut value = Some(value);
    list.retain_mut(|it| {
        if it.key != key {
            return true;
        }
        let new = value.take();
        let first = new.is_some();
        it.value = new.or(it.value.take());
        first
    });
    if value.is_some() {
        list.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 });
    }
}

fn put(action: &Action, list: &mut Vec<KeyValue>, when: impl Fn(bool) -> bool) {
    let fixed = |literal: &Literal| {
        (!literal.is_none()).then(|| AnyValue::decode(&literal.encode()[..]).expect("a value"))
    };
    let fact = match action.from_context.as_str() {
        "metadata.tenant" | "tenant" => Some(string("a;b")),
        "auth.subject" => Some(string("me")),
        _ => None,
    };
    let copied = get(list, &action.from_attribute).filter(|_| !action.from_attribute.is_empty());
    let value = fixed(&action.value).or(fact).or(copied).or_else(|| fixed(&action.default_value));
    if let Some(value) = value
        && when(get(list, &action.key).is_some())
    {
        set(list, &action.key, value);
    }
}

fn string(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn hash(value: &AnyValue) -> AnyValue {
    let bytes = match &value.value {
        Some(Value::StringValue(text)) => text.as_bytes().to_vec(),
        Some(Value::BoolValue(truth)) => vec![u8::from(*truth)],
        Some(Value::IntValue(int)) => int.to_le_bytes().to_vec(),
        Some(Value::DoubleValue(double)) => double.to_le_bytes().to_vec(),
        _ => Vec::new(),
    };
    if bytes.is_empty() {
        return string("");
    }
    let hex: Vec<String> =
        digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    string(&hex.concat())
}

fn convert(value: &AnyValue, target: &str) -> Option<AnyValue> {
    let converted = match (target, value.value.as_ref()) {
        ("string", Some(Value::StringValue(_))) => return None,
        ("string", _) => {
            Value::StringValue(otlp_json::plain(&otlp::view::AnyValue::new(&value.encode_to_vec())))
        }
        ("int", Some(Value::StringValue(text))) => Value::IntValue(text.parse().ok()?),
        ("int", Some(Value::DoubleValue(double))) => Value::IntValue(*double as i64),
        ("int", Some(Value::BoolValue(truth))) => Value::IntValue((*truth).into()),
        ("double", Some(Value::StringValue(text))) => Value::DoubleValue(text.parse().ok()?),
        ("double", Some(Value::IntValue(int))) => Value::DoubleValue(*int as f64),
        ("double", Some(Value::BoolValue(truth))) => Value::DoubleValue(if *truth { 1.0 } else { 0.0 }),
        _ => return None,
    };
    Some(AnyValue { value: Some(converted) })
}

const KEYS: [&str; 6] = ["a", "b", "ab", "url.full", "größe", "new"];

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Option<AnyValue>> {
    let text = prop::sample::select(&["", "x", "12", "1.5", "GET /shop", "http://host/path", "größe"][..]);
    let value = prop_oneof![
        4 => text.prop_map(|text| Value::StringValue(text.to_owned())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => (-3..300_i64).prop_map(Value::IntValue),
        1 => (-3..300_i32).prop_map(|int| Value::DoubleValue(f64::from(int) / 4.0)),
        1 => Just(Value::BytesValue(vec![1, 2])),
        1 => Just(Value::ArrayValue(ArrayValue { values: vec![string("x"), AnyValue::default()] })),
    ];
    prop_oneof![9 => value.prop_map(|value| Some(AnyValue { value: Some(value) })), 1 => Just(None)]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key =
        prop_oneof![9 => key(), 1 => Just("http.response.status_code".to_owned()), 1 => Just(String::new())];
    let attribute = (key, value()).prop_map(|(key, value)| KeyValue { key, value, key_strindex: 0 });
    prop::collection::vec(attribute, 0..8)
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::text("GET /shop")),
        Just(Literal::text("")),
        Just(Literal::int(-1)),
        Just(Literal::double(0.5)),
        Just(Literal::bool(true)),
    ]
}

/// Where a value comes from: a fixed one, another attribute, the sender.
fn source() -> impl Strategy<Value = Action> {
    let fact = prop::sample::select(
        &["metadata.tenant", "tenant", "auth.subject", "auth.none", "client.address"][..],
    );
    let one = prop_oneof![
        2 => literal().prop_map(|value| Action { value, ..Action::default() }),
        2 => key().prop_map(|from_attribute| Action { from_attribute, ..Action::default() }),
        1 => fact.prop_map(|fact| Action { from_context: fact.to_owned(), ..Action::default() }),
    ];
    (one, prop::option::of(literal()))
        .prop_map(|(one, default)| Action { default_value: default.unwrap_or_default(), ..one })
}

fn action() -> impl Strategy<Value = Action> {
    let kind = prop::sample::select(&["insert", "UPDATE", "Upsert"][..]);
    let put = (kind, source()).prop_map(|(kind, source)| Action { action: kind.to_owned(), ..source });
    let by_key = prop::sample::select(&["delete", "hash"][..]);
    let key_pattern = prop::sample::select(&["", "^a", "b$", "ö", "url", "code", "^$"][..]);
    let by_key = (by_key, key_pattern).prop_map(|(kind, pattern)| Action {
        action: kind.to_owned(),
        pattern: pattern.to_owned(),
        ..Action::default()
    });
    let extraction =
        prop::sample::select(&[r"^(?P<new>\w+) (?P<b>.*)$", r"(?P<a>\d+)", r"^(?P<url>h)?(?P<ab>x)?"][..]);
    let extract = extraction.prop_map(|pattern| Action {
        action: "extract".to_owned(),
        pattern: pattern.to_owned(),
        ..Action::default()
    });
    let target = prop::sample::select(&["string", "int", "double"][..]);
    let convert = target.prop_map(|target| Action {
        action: "convert".to_owned(),
        converted_type: target.to_owned(),
        ..Action::default()
    });
    let action = prop_oneof![4 => put, 3 => by_key, 2 => extract, 2 => convert];
    (action, key(), any::<bool>()).prop_map(|(action, key, without_key)| {
        // A key may be left out where there is a pattern for keys.
        let by_pattern = ["delete", "hash"].contains(&action.action.as_str()) && !action.pattern.is_empty();
        Action { key: if by_pattern && without_key { String::new() } else { key }, ..action }
    })
}

fn request(holders: Vec<Vec<KeyValue>>) -> ExportTraceServiceRequest {
    let of_span = |attributes: Vec<KeyValue>| Span {
        name: "before".to_owned(),
        attributes,
        trace_state: "after=1".to_owned(),
        ..Span::default()
    };
    let resource = holders.first().cloned();
    let resource = resource.map(|attributes| Resource { attributes, ..Resource::default() });
    let spans = holders.into_iter().map(of_span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}

fn spans(request: &mut ExportTraceServiceRequest) -> &mut Vec<Span> {
    &mut request.resource_spans[0].scope_spans[0].spans
}

/// An attribute without a value is one with an empty value.
fn normal(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    let resource = request.resource_spans[0].resource.get_or_insert_default();
    resource.attributes.iter_mut().for_each(|it| it.value = Some(it.value.take().unwrap_or_default()));
    for span in spans(&mut request) {
        span.attributes.iter_mut().for_each(|it| it.value = Some(it.value.take().unwrap_or_default()));
    }
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn actions_do_what_they_say(
        holders in prop::collection::vec(attributes(), 0..4),
        actions in prop::collection::vec(action(), 1..6),
    ) {
        let before = request(holders);
        let bytes = before.encode_to_vec();
        let mut editor = Editor(Actions::new(&actions).expect("fine actions"));
        editor.0.begin(&context());
        for level in [Level::Item, Level::Resource] {
            let mut expected = before.clone();
            let mut acted = false;
            for action in &actions {
                let one = std::slice::from_ref(action);
                let former = normal(expected.clone());
                match level {
                    Level::Item => {
                        spans(&mut expected).iter_mut().for_each(|span| plain(one, &mut span.attributes));
                    }
                    Level::Resource => {
                        let resource = expected.resource_spans[0].resource.get_or_insert_default();
                        plain(one, &mut resource.attributes);
                    }
                }
                acted |= normal(expected.clone()) != former;
            }
            let changed = Rewriter::default().rewrite(Signal::Traces, level, &bytes, &mut editor);
            let found = changed.as_deref().unwrap_or(&bytes);
            let found = ExportTraceServiceRequest::decode(found).expect("a request");
            prop_assert_eq!(normal(found), normal(expected.clone()));
            // Nothing is written where no action changed anything; one may take back what another did.
            prop_assert!(changed.is_none() || acted);
        }
    }
}
