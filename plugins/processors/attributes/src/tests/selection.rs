//! `include` and `exclude` select what a plain reading of them selects from decoded spans.

use config::{Section as _, render};
use matching::{AttributeMatch, LibraryMatch, Literal, MatchType, Pattern, Properties};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;

use super::*;

fn text(value: &KeyValue) -> Option<String> {
    Some(match value.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::IntValue(int) => int.to_string(),
        _ => return None,
    })
}

/// Whether a span matches a block, read plainly.
fn matches(block: &Properties, resource: &[KeyValue], scope: &InstrumentationScope, span: &Span) -> bool {
    let one = |expected: &str, found: &str| match block.match_type {
        MatchType::Regexp => Pattern::new(expected).expect("a pattern").is_match(found.as_bytes()),
        _ => expected == found,
    };
    let any = |list: &[String], found: &str| list.is_empty() || list.iter().any(|it| one(it, found));
    let all = |list: &[AttributeMatch], attributes: &[KeyValue]| {
        list.iter().all(|expected| {
            let Some(found) = attributes.iter().find(|it| it.key == expected.key) else { return false };
            match (expected.value.is_none(), block.match_type) {
                (true, _) => true,
                (_, MatchType::Regexp) => {
                    text(found).is_some_and(|text| one(expected.value.as_text().expect("text"), &text))
                }
                _ => expected.value.encode() == found.value.clone().unwrap_or_default().encode_to_vec(),
            }
        })
    };
    let service = resource.iter().find(|it| it.key == "service.name").and_then(text);
    let kinds = ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"];
    let library = |it: &LibraryMatch| {
        one(&it.name, &scope.name) && it.version.as_ref().is_none_or(|version| one(version, &scope.version))
    };
    any(&block.services, service.as_deref().unwrap_or("<nil-service-name>"))
        && any(&block.span_names, &span.name)
        && any(&block.span_kinds, kinds[usize::try_from(span.kind).expect("a small number")])
        && (block.libraries.is_empty() || block.libraries.iter().any(library))
        && all(&block.resources, resource)
        && all(&block.attributes, &span.attributes)
}

const WORDS: [&str; 5] = ["shop", "auth", "sh", "a", ""];

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(&WORDS[..]).prop_map(str::to_owned), 0..3)
}

fn attribute_matches() -> impl Strategy<Value = Vec<AttributeMatch>> {
    let value = prop_oneof![Just(Literal::default()), select(&WORDS[..]).prop_map(Literal::text)];
    let one = (select(&["service.name", "env"][..]), value);
    let one = one.prop_map(|(key, value)| AttributeMatch { key: key.to_owned(), value });
    prop::collection::vec(one, 0..2)
}

fn block() -> impl Strategy<Value = Properties> {
    let version = prop::option::of(select(&["", "1"][..]).prop_map(str::to_owned));
    let library = (select(&WORDS[..]), version)
        .prop_map(|(name, version)| LibraryMatch { name: name.to_owned(), version });
    let kinds = select(&["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"][..]).prop_map(str::to_owned);
    (
        select(&[MatchType::Strict, MatchType::Regexp][..]),
        words(),
        words(),
        prop::collection::vec(kinds, 0..2),
        prop::collection::vec(library, 0..2),
        attribute_matches(),
        attribute_matches(),
    )
        .prop_map(|(match_type, services, span_names, span_kinds, libraries, attributes, resources)| {
            Properties {
                match_type,
                services,
                span_names,
                span_kinds,
                libraries,
                attributes,
                resources,
                ..Properties::default()
            }
        })
}

fn attributes_of(key: &'static str) -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        4 => select(&WORDS[..]).prop_map(|text| Value::StringValue(text.to_owned())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => (0..3_i64).prop_map(Value::IntValue),
    ];
    let one = value.prop_map(move |value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        key_strindex: 0,
    });
    prop::collection::vec(one, 0..2)
}

fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let span = (select(&WORDS[..]), 0..4_i32, attributes_of("env")).prop_map(|(name, kind, attributes)| {
        Span { name: name.to_owned(), kind, attributes, ..Span::default() }
    });
    let scope = (select(&WORDS[..]), select(&["", "1"][..]), prop::collection::vec(span, 0..3));
    let scope = scope.prop_map(|(name, version, spans)| {
        let (name, version) = (name.to_owned(), version.to_owned());
        let scope = Some(InstrumentationScope { name, version, ..InstrumentationScope::default() });
        ScopeSpans { scope, spans, ..ScopeSpans::default() }
    });
    let resource = (attributes_of("service.name"), prop::collection::vec(scope, 0..3));
    let resource = resource.prop_map(|(attributes, scope_spans)| ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans,
        ..ResourceSpans::default()
    });
    prop::collection::vec(resource, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_selected_is_what_a_plain_reading_selects(
        request in request(),
        include in prop::option::of(block()),
        exclude in prop::option::of(block()),
    ) {
        for block in include.iter().chain(&exclude) {
            let mut checks = Checks::default();
            block.check(&mut checks);
            prop_assert_eq!(format!("{checks:?}"), format!("{:?}", Checks::default()), "{}", render(block));
        }
        let mut expected = request.clone();
        for of_resource in &mut expected.resource_spans {
            let resource = of_resource.resource.clone().unwrap_or_default().attributes;
            for of_scope in &mut of_resource.scope_spans {
                let scope = of_scope.scope.clone().unwrap_or_default();
                for span in &mut of_scope.spans {
                    let selects = |block: &Properties| matches(block, &resource, &scope, span);
                    // A block that says nothing selects everything, and excludes nothing.
                    let says_nothing = |block: &Properties| block.check_for(Signal::Traces).is_err();
                    let included = include.as_ref().is_none_or(selects);
                    let excluded = exclude.as_ref().is_some_and(|it| !says_nothing(it) && selects(it));
                    if included && !excluded {
                        span.attributes.retain(|it| it.key != "env");
                    }
                }
            }
        }
        let action = Action { key: "env".into(), action: "delete".into(), ..Default::default() };
        let config = Config { include, exclude, actions: vec![action] };
        let processor = Attributes::new(&config).expect("fine patterns");
        let found = send(&mut Harness::new(processor), data::Signal::Traces, request.encode_to_vec());
        let found = ExportTraceServiceRequest::decode(&found[..]).expect("a request");
        prop_assert_eq!(found, expected);
    }
}
