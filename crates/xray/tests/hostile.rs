//! Spans as nobody should send them: the body of the fuzz target `spans` over requests and mutations of them, and
//! generated spans.

mod support;

use collimator_xray::from_span::{Cursor, Documents, Enough, Options, Translator, fuzz_spans};
use collimator_xray::to_span;
use collimator_xray::trim::{LeftOut, trim};
use otlp::wire::{write_fixed64_field, write_len_field, write_nested, write_varint_field};
use proptest::prelude::*;
use serde_json::Value;
use support::wire;

const MUTATIONS: usize = 20_000;

fn seeds() -> Vec<Vec<u8>> {
    let cases: Value =
        serde_json::from_slice(include_bytes!("fixtures/awsxray-exporter.json")).expect("recorded cases");
    let cases = cases.as_array().expect("a list").iter();
    let recorded = cases.flat_map(|case| case["input"].as_array().expect("a list").iter().map(wire));
    // And one of ours: a document with everything.
    let options = to_span::Options { preserve: true, ..to_span::Options::default() };
    let mut preserved = Vec::new();
    to_span::read(include_bytes!("../fuzz/seeds/everything.json"), &options, &mut preserved)
        .expect("a document");
    recorded.chain([preserved.clone(), preserved.clone(), preserved]).collect()
}

#[test]
fn requests_and_their_mutations_hold() {
    let seeds = seeds();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        fuzz_spans(seed);
    }
    for round in 0..MUTATIONS {
        let mut data = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut data, &mut random);
        }
        fuzz_spans(&data);
    }
}

/// As many names as fit into a request, listed as annotations: it would take hours if each were looked for in a list.
#[test]
fn any_number_of_names_is_looked_up_quickly() {
    const NUMBER: usize = 100_000;
    let names: Vec<String> = (0..NUMBER).map(|number| format!("k{number:06}")).collect();
    for marker in [None, Some("aws.xray.type")] {
        let mut request = Vec::new();
        write_nested(&mut request, 1, |out| {
            write_nested(out, 2, |out| {
                write_nested(out, 2, |out| {
                    let mut own: Vec<_> = names.iter().map(|name| (name.clone(), Any::Int(1))).collect();
                    let listed = names.iter().map(|name| Any::Text(name.clone())).collect();
                    own.push(("aws.xray.annotations".to_owned(), Any::List(listed)));
                    own.extend(marker.map(|marker| (marker.to_owned(), Any::Text("segment".to_owned()))));
                    write_attributes(out, 9, &own);
                })
            });
        });
        let options =
            Options { preserve_xray_fields: true, max_document_bytes: usize::MAX, ..Options::default() };
        let mut documents = Documents::default();
        Translator::new(options, 1).translate(&request, 0, &mut documents);
        let parsed: Value = serde_json::from_slice(&documents.bytes).expect("JSON");
        assert_eq!(parsed["annotations"].as_object().map(serde_json::Map::len), Some(NUMBER));
    }
}

/// As many exceptions as fit into a request, in a document that has to be shortened.
#[test]
fn any_number_of_exceptions_is_shortened_quickly() {
    const NUMBER: usize = 50_000;
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 1, |out| {
            write_attributes(out, 1, &[("telemetry.sdk.language".to_owned(), Any::Text("java".to_owned()))]);
        });
        write_nested(out, 2, |out| {
            write_nested(out, 2, |out| {
                for _ in 0..NUMBER {
                    write_nested(out, 11, |out| {
                        write_len_field(out, 2, b"exception");
                        let stack = Any::Text("T: m\n\tat f(a.java:7)\n".to_owned());
                        write_attributes(out, 3, &[("exception.stacktrace".to_owned(), stack)]);
                    });
                }
            });
        });
    });
    let mut documents = Documents::default();
    Translator::new(Options::default(), 1).translate(&request, 0, &mut documents);
    assert_eq!((documents.entries.len(), documents.refused.len()), (0, 1));
}

/// A span that is one thing over and over, as often as fits into a request, and what becomes of it.
#[track_caller]
fn check_repeated(field: u32, thing: &[u8], more: &[(&str, &str)], options: Options) -> Option<Value> {
    const REQUEST: usize = 4 << 20;
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 1, |out| {
            write_attributes(out, 1, &[("telemetry.sdk.language".to_owned(), Any::Text("java".to_owned()))]);
        });
        write_nested(out, 2, |out| {
            write_nested(out, 2, |out| {
                write_len_field(out, 2, &[8; 8]);
                more.iter().for_each(|(key, text)| {
                    write_attributes(out, 9, &[((*key).to_owned(), Any::Text((*text).to_owned()))]);
                });
                while out.len() < REQUEST {
                    write_len_field(out, field, thing);
                }
            });
        });
    });
    let mut documents = Documents::default();
    Translator::new(options, 1).translate(&request, 0, &mut documents);
    assert_eq!(documents.entries.len() + documents.refused.len(), 1);
    assert!(documents.bytes.capacity() < REQUEST, "{} bytes", documents.bytes.capacity());
    let entry = documents.entries.first()?;
    assert!(entry.trimmed && entry.range.len() <= 64_000, "{entry:?}");
    Some(serde_json::from_slice(documents.text(entry)).expect("JSON"))
}

fn exception(stack: &str) -> Vec<u8> {
    let mut event = Vec::new();
    write_len_field(&mut event, 2, b"exception");
    if !stack.is_empty() {
        write_attributes(&mut event, 3, &[("exception.stacktrace".to_owned(), Any::Text(stack.to_owned()))]);
    }
    event
}

#[test]
fn what_no_document_has_room_for_is_not_written_first() {
    const PRESERVED: [(&str, &str); 1] = [("aws.xray.type", "segment")];
    let causes = format!("T: m\n{}", "Caused by: X:\n\tat (a)\n".repeat(500));
    for event in [exception(""), exception(&causes)] {
        assert_eq!(check_repeated(11, &event, &[], Options::default()), None, "can't be saved");
    }
    let preserve = || Options { preserve_xray_fields: true, ..Options::default() };
    assert_eq!(check_repeated(11, &exception(""), &PRESERVED, preserve()), None);
    let failure = {
        let mut event = Vec::new();
        write_len_field(&mut event, 2, b"HTTP request failure");
        let own = ["http.response.status_code", "aws.http.error_message"];
        write_attributes(&mut event, 3, &own.map(|key| (key.to_owned(), Any::Text(String::new()))));
        event
    };
    assert_eq!(check_repeated(11, &failure, &[("rpc.system", "aws-api")], Options::default()), None);
}

#[test]
fn what_can_be_saved_is_saved_and_counted() {
    // Two bytes each, of which a document makes sixty.
    let preserved: &[_] = &[("aws.xray.type", "segment")];
    for (own, preserve_xray_fields) in [(&[][..], false), (preserved, true)] {
        let options = Options { preserve_xray_fields, ..Options::default() };
        let links = check_repeated(13, b"", own, options).expect("a document");
        let kept = links["links"].as_array().map_or(0, Vec::len);
        assert!(kept > 900, "{kept}");
        let cut = links["metadata"]["collimator"]["links_cut"].as_u64();
        assert!(cut.is_some_and(|cut| cut as usize + kept >= 2_000_000), "{cut:?}");
    }

    let options = Options { keep_events: true, ..Options::default() };
    let events = check_repeated(11, b"", &[("kept", "yes")], options).expect("a document");
    assert_eq!(events["metadata"]["default"]["kept"], "yes");
    let said = events["metadata"]["default"]["otel.events"].as_str().expect("a note");
    assert!(said.starts_with("(20") && said.ends_with(" events cut)"), "{said}");

    let frames = format!("T: m\n{}", "\tat (a)\n".repeat(1_900));
    let traces = check_repeated(11, &exception(&frames), &[], Options::default()).expect("a document");
    let exceptions = traces["cause"]["exceptions"].as_array().expect("a list");
    assert_eq!(exceptions.len(), (4 << 20) / exception(&frames).len() + 1);
    for exception in exceptions {
        let kept = exception["stack"].as_array().map_or(0, Vec::len);
        assert_eq!(exception["truncated"], 1_900 - kept);
    }
}

/// Spans of a few bytes of a resource, translated in waves as they are for sending. No wave may cost much more than
/// what it is bounded to, nor a span much more than a document may be. What is made of the last span, if anything.
#[track_caller]
fn check_resource(resource: &[(String, Any)], own: &[(&str, &str)], options: Options) -> Option<Value> {
    const SPANS: usize = 300;
    const ENOUGH: Enough = Enough { documents: 100, bytes: 1 << 20 };
    let max = options.max_document_bytes;
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 1, |out| write_attributes(out, 1, resource));
        write_nested(out, 2, |out| {
            for _ in 0..SPANS {
                write_nested(out, 2, |out| {
                    write_len_field(out, 2, &[8; 8]);
                    write_varint_field(out, 6, 2);
                    own.iter().for_each(|(key, text)| {
                        write_attributes(out, 9, &[((*key).to_owned(), Any::Text((*text).to_owned()))]);
                    });
                });
            }
        });
    });
    let mut translator = Translator::new(options, 1);
    let (mut cursor, mut documents, mut last) = (Cursor::default(), Documents::default(), None);
    let (mut items, mut work, mut waves) = (0, 0, 0);
    let mut is_whole = false;
    while !is_whole {
        documents.clear();
        is_whole = translator.translate_some(&request, &mut cursor, ENOUGH, 0, &mut documents);
        assert!(documents.work <= ENOUGH.bytes + 3 * max, "{} bytes at once", documents.work);
        assert!(documents.entries.iter().all(|entry| entry.trimmed && entry.range.len() <= max));
        waves += 1;
        items += documents.items;
        work += documents.work;
        last = documents.entries.last().map(|entry| documents.text(entry).to_vec());
    }
    assert_eq!(items, SPANS);
    assert!(work <= SPANS * 3 * max / 2, "{work} bytes of work");
    // What is made once of a resource is made again in each wave.
    assert!(waves <= 1 + work * 2 / request.len().min(ENOUGH.bytes), "{waves} waves for {work} bytes");
    last.map(|text| serde_json::from_slice(&text).expect("JSON"))
}

fn text(key: &str, len: usize) -> (String, Any) {
    (key.to_owned(), Any::Text("x".repeat(len)))
}

#[test]
fn a_large_resource_is_not_written_for_each_of_its_spans() {
    let preserve = || Options { preserve_xray_fields: true, ..Options::default() };
    let index_all = || Options { index_all_attributes: true, ..Options::default() };
    let segment: &[_] = &[("aws.xray.type", "segment"), ("aws.xray.name", "n")];
    // Its own value of the same name: then the resource's are written one by one.
    let apart: &[_] = &[("otel.resource.b", "own")];
    let values = [text("a", 2_000_000), text("b", 200), text("service.name", 2_000_000), text("c", 40_000)];
    for (own, options) in [(&[][..], Options::default()), (apart, Options::default()), (segment, preserve())]
    {
        let made = check_resource(&values, own, options).expect("a document");
        let metadata = &made["metadata"]["default"];
        assert_eq!(metadata["otel.resource.a"], "(2000002 bytes cut)");
        assert_eq!(metadata["otel.resource.c"], "x".repeat(40_000));
        let name = if own == segment { "n".to_owned() } else { "x".repeat(200) };
        assert_eq!(made["name"], name);
    }
    let made = check_resource(&values, &[], index_all()).expect("a document");
    let cut = made["annotations"]["otel.resource.a"].as_str().expect("a text");
    assert!(cut.starts_with(&"x".repeat(1000)) && cut.ends_with("... (1999000 bytes cut)"), "{}", cut.len());

    // Only small ones, but very many; and one with a name for which there is no room.
    let mut many: Vec<_> = (0..12_000).map(|number| text(&format!("k{number:05}"), 30)).collect();
    many.push(text(&"k".repeat(100_000), 1));
    for (own, options, list) in [
        (&[][..], Options::default(), "metadata"),
        (apart, Options::default(), "metadata"),
        (segment, preserve(), "metadata"),
        (&[], index_all(), "annotations"),
        (segment, Options { index_all_attributes: true, ..preserve() }, "annotations"),
    ] {
        let made = check_resource(&many, own, options).expect("a document");
        let members = if list == "metadata" { &made[list]["default"] } else { &made[list] };
        let left = members
            .as_object()
            .map_or(0, |members| members.keys().filter(|key| key.starts_with("otel.resource.k")).count());
        let cut = made["metadata"]["collimator"][format!("{list}_cut")].as_u64().expect("a count") as usize;
        assert!(left > 500 && (12_001..=12_002).contains(&(left + cut)), "{left} and {cut}");
    }

    // What can't be cut.
    let fields: Vec<_> = (0..100).map(|number| text(&format!("aws.xray.service.{number}"), 10_000)).collect();
    for (own, options, resource) in [
        (&[][..], Options::default(), &[text("service.version", 2_000_000)][..]),
        (&[], Options::default(), &[text("telemetry.sdk.name", 2_000_000)]),
        (&[], Options::default(), &[text("cloud.account.id", 2_000_000)]),
        (segment, preserve(), &[text("aws.xray.origin", 2_000_000)]),
        (segment, preserve(), &fields),
    ] {
        assert_eq!(check_resource(resource, own, options), None);
    }
}

/// What is left of a resource is what trimming would have left of it.
#[test]
fn a_large_resource_is_cut_as_documents_are() {
    const MAX: usize = 3_000;
    let mut random = Random(11);
    let mut trimmed = 0;
    for round in 0..1_000 {
        let mut values = |prefix: &str, count| -> Vec<_> {
            (0..random.below(count)).map(|at| text(&format!("{prefix}{at}"), random.below(1_900))).collect()
        };
        let (resource, own) = (values("r", 8), values("o", 4));
        let mut request = Vec::new();
        write_nested(&mut request, 1, |out| {
            write_nested(out, 1, |out| write_attributes(out, 1, &resource));
            write_nested(out, 2, |out| write_nested(out, 2, |out| write_attributes(out, 9, &own)));
        });
        let made = |max_document_bytes| {
            let mut documents = Documents::default();
            let options = Options { max_document_bytes, ..Options::default() };
            Translator::new(options, 1).translate(&request, 0, &mut documents);
            documents.bytes
        };
        let mut expected = made(usize::MAX);
        if expected.len() > MAX {
            trimmed += 1;
            assert!(trim(&mut expected, 0, MAX, LeftOut::default()));
        }
        assert!(made(MAX) == expected, "round {round}");
    }
    assert!(trimmed > 300, "{trimmed}");
}

/// What stack traces are made of.
const PIECES: [&str; 22] = [
    "\n",
    "\r\n",
    "\tat ",
    "    at ",
    "   at ",
    "(",
    ")",
    ":",
    "/",
    ":1",
    ":2:3",
    "Caused by: ",
    " in ",
    ":line 4",
    "  File ",
    "\"a.py\", line 3, in f",
    "During handling of the above exception, another exception occurred:",
    "native",
    "goroutine 1 [running]:",
    "é",
    ",",
    " ",
];

#[test]
fn stack_traces_hold() {
    let mut random = Random(7);
    for _ in 0..MUTATIONS {
        let pieces = (0..random.below(14)).map(|_| PIECES[random.below(PIECES.len())]);
        let text: String = pieces.collect();
        fuzz_spans(text.as_bytes());
    }
}

fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(data.len() + 1);
    match random.below(5) {
        0 => data.truncate(at),
        1 => drop(data.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        2 => drop(data.drain(at..(at + random.below(8)).min(data.len()))),
        3 => {
            if let Some(byte) = data.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        _ => {
            let copy = data[at..(at + random.below(60)).min(data.len())].to_vec();
            let to = random.below(data.len() + 1);
            data.splice(to..to, copy);
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// Names that mean something to the translation.
const NAMES: [&str; 40] = [
    "http.method",
    "http.request.method",
    "http.client_ip",
    "client.address",
    "http.status_code",
    "http.response.status_code",
    "http.url",
    "url.full",
    "url.scheme",
    "http.host",
    "url.path",
    "url.query",
    "net.peer.name",
    "server.address",
    "server.port",
    "net.peer.ip",
    "network.peer.address",
    "aws.span.kind",
    "aws.local.service",
    "aws.remote.service",
    "peer.service",
    "aws.service",
    "rpc.system",
    "rpc.method",
    "aws.account_id",
    "aws.dynamodb.table_names",
    "messaging.url",
    "db.system",
    "db.system.name",
    "db.name",
    "db.statement",
    "db.connection_string",
    "enduser.id",
    "aws.xray.inprogress",
    "aws.xray.annotations",
    "aws.xray.metadata.ns",
    "aws.xray.metadata.default",
    "otel.resource.x",
    "x",
    "é y",
];

#[derive(Clone, Debug)]
enum Any {
    Empty,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Bytes(Vec<u8>),
}

impl Any {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::Text(text) => write_len_field(out, 1, text.as_bytes()),
            Self::Bool(value) => write_varint_field(out, 2, (*value).into()),
            Self::Int(value) => write_varint_field(out, 3, *value as u64),
            Self::Double(value) => write_fixed64_field(out, 4, value.to_bits()),
            Self::List(values) => write_nested(out, 5, |out| {
                values.iter().for_each(|value| write_nested(out, 1, |out| value.write(out)));
            }),
            Self::Map(members) => write_nested(out, 6, |out| write_attributes(out, 1, members)),
            Self::Bytes(bytes) => write_len_field(out, 7, bytes),
        }
    }
}

fn write_attributes(out: &mut Vec<u8>, number: u32, attributes: &[(String, Any)]) {
    for (key, value) in attributes {
        write_nested(out, number, |out| {
            write_len_field(out, 1, key.as_bytes());
            write_nested(out, 2, |out| value.write(out));
        });
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    let text = prop_oneof![
        Just("LOCAL_ROOT".to_owned()),
        Just("aws-api".to_owned()),
        Just("mysql".to_owned()),
        Just("postgresql".to_owned()),
        Just("10.0.0.1".to_owned()),
        Just("{\"a\":{\"b\":[1,\"\\u0007\"]}}".to_owned()),
        Just("{\"x\":1,\"otel.resource.x\":{\"c\":1,\"c\":2},\"otel.resource.x\":3}".to_owned()),
        ".{0,40}",
    ];
    let leaf = prop_oneof![
        6 => text.prop_map(Any::Text),
        1 => Just(Any::Empty),
        1 => any::<bool>().prop_map(Any::Bool),
        3 => prop_oneof![any::<i64>(), 200..600_i64].prop_map(Any::Int),
        1 => any::<f64>().prop_map(Any::Double),
        1 => proptest::collection::vec(any::<u8>(), 0..9).prop_map(Any::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Any::List),
            proptest::collection::vec((".{0,6}", inner), 0..4).prop_map(Any::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<(String, Any)>> {
    let name = prop_oneof![4 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".{0,12}"];
    // Names are unique, as they should be.
    proptest::collection::btree_map(name, any_value(), 0..14).prop_map(|map| map.into_iter().collect())
}

prop_compose! {
    fn request()(
        resource in attributes(),
        own in attributes(),
        kind in 0..7_u64,
        parent in any::<bool>(),
        name in ".{0,30}",
        error in any::<bool>(),
        event in proptest::option::of(attributes()),
        start in any::<u64>(),
    ) -> Vec<u8> {
        let mut out = Vec::new();
        write_nested(&mut out, 1, |out| {
            write_nested(out, 1, |out| write_attributes(out, 1, &resource));
            write_nested(out, 2, |out| write_nested(out, 2, |out| {
                write_len_field(out, 1, &[9; 16]);
                write_len_field(out, 2, &[8; 8]);
                if parent {
                    write_len_field(out, 4, &[7; 8]);
                }
                write_len_field(out, 5, name.as_bytes());
                write_varint_field(out, 6, kind);
                write_fixed64_field(out, 7, start);
                write_attributes(out, 9, &own);
                if let Some(event) = &event {
                    write_nested(out, 11, |out| {
                        write_len_field(out, 2, b"exception");
                        write_attributes(out, 3, event);
                    });
                }
                if error {
                    write_nested(out, 15, |out| write_varint_field(out, 3, 2));
                }
            }));
        });
        out
    }
}

/// The members of a document, in the order in which they may come.
const ORDER: [&str; 22] = [
    "name",
    "id",
    "start_time",
    "service",
    "origin",
    "user",
    "links",
    "trace_id",
    "end_time",
    "in_progress",
    "http",
    "fault",
    "error",
    "throttle",
    "cause",
    "aws",
    "annotations",
    "metadata",
    "namespace",
    "parent_id",
    "type",
    "sql",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// Every document has what a document must have, in order, each once; annotations are simple and their keys sorted.
    #[test]
    fn documents_are_sound(request in request(), index_all in any::<bool>()) {
        let options = Options { index_all_attributes: index_all, ..Options::default() };
        let mut documents = Documents::default();
        Translator::new(options, 1).translate(&request, 0, &mut documents);
        prop_assert!(documents.refused.is_empty() && !documents.entries.is_empty());
        for entry in &documents.entries {
            let text = documents.text(entry);
            let parsed: Value = serde_json::from_slice(text).expect("JSON");
            support::assert_unique(text);
            let members = collimator_xray::json::scan::members_of(text);
            let keys: Vec<String> = members.map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
            let places: Vec<_> = keys.iter().map(|key| ORDER.iter().position(|known| known == key)).collect();
            prop_assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{keys:?}");
            let name = parsed["name"].as_str().expect("a name");
            prop_assert!(!name.is_empty() && name.len() <= 200);
            prop_assert!(parsed["fault"].is_boolean() && parsed["error"].is_boolean() && parsed["throttle"].is_boolean());
            prop_assert!(parsed.get("end_time").is_some() != parsed.get("in_progress").is_some());
            for (key, value) in parsed["annotations"].as_object().into_iter().flatten() {
                prop_assert!(value.is_string() || value.is_number() || value.is_boolean());
                prop_assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'), "{key}");
            }
        }
    }
}
