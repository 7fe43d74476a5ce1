//! Documents against what the reference implementation was recorded to make of them, and against anything else.

use std::path::Path;

use collimator_xray::to_span::fuzz::fuzz_to_span;
use collimator_xray::to_span::{Options, Translator};
use serde_json::{Map, Value as Json};

fn read(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it is there")
}

/// `testdata/receiver.json`: documents that went to the Collector 0.156, and what it sent on.
#[test]
fn documents_become_what_was_recorded() {
    let cases: Vec<Json> = serde_json::from_slice(&read("testdata/receiver.json")).expect("JSON");
    assert!(cases.len() >= 26);
    let mut translator = Translator::new(Options::default());
    for case in &cases {
        let mut spans = Vec::new();
        for document in case["documents"].as_array().expect("a list") {
            let mut out = Vec::new();
            // Some are wrong on purpose; nothing of them is in what is expected.
            if translator.read(document.as_str().expect("text").as_bytes(), &mut out).is_ok() {
                let mut text = Vec::new();
                otlp_json::write(&otlp::schema::TRACES, &out, &mut text);
                spans.extend(comparable(&serde_json::from_slice(&text).expect("JSON")));
            }
        }
        let wanted: Vec<Json> =
            case["expected"].as_array().expect("a list").iter().flat_map(comparable).collect();
        assert!(!wanted.is_empty());
        assert_eq!(spans, wanted, "{}", case["name"]);
    }
}

/// Every span with its resource, lists of attributes as maps, times to 2 µs, and nothing that is empty.
fn comparable(request: &Json) -> Vec<Json> {
    let mut spans = Vec::new();
    for resource in request["resourceSpans"].as_array().into_iter().flatten() {
        for scope in resource["scopeSpans"].as_array().into_iter().flatten() {
            for span in scope["spans"].as_array().into_iter().flatten() {
                let mut span = span.clone();
                span["resource"] = resource["resource"].clone();
                span["scope"] = scope["scope"].clone();
                spans.push(simple("", &span));
            }
        }
    }
    spans
}

fn simple(key: &str, value: &Json) -> Json {
    match value {
        Json::Array(list) if key == "attributes" => {
            let entry = |it: &Json| (it["key"].as_str().unwrap_or_default().to_owned(), it["value"].clone());
            Json::Object(list.iter().map(entry).collect())
        }
        Json::Array(list) => list.iter().map(|value| simple("", value)).collect(),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), simple(key, value)));
            let empty = |it: &Json| matches!(it, Json::Object(it) if it.is_empty()) || it == "" || it == "0";
            Json::Object(members.filter(|(_, value)| !empty(value)).collect::<Map<_, _>>())
        }
        Json::String(text) if key.ends_with("UnixNano") => {
            (text.parse::<u64>().expect("a time") / 2000).into()
        }
        value => value.clone(),
    }
}

#[test]
fn seeds_and_their_mutations_hold() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    seeds.extend(paths.iter().map(|path| std::fs::read(path).expect("a seed")));
    let cases: Vec<Json> = serde_json::from_slice(&read("testdata/receiver.json")).expect("JSON");
    let recorded = cases.iter().flat_map(|case| case["documents"].as_array().into_iter().flatten());
    seeds.extend(recorded.filter_map(|document| Some(document.as_str()?.as_bytes().to_vec())));
    assert!(seeds.len() >= 30);
    seeds.iter().for_each(|seed| fuzz_to_span(seed));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..100_000 {
        let mut document = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut document, &seeds, &mut random);
        }
        fuzz_to_span(&document);
    }
}

/// Pieces that readers stumble over.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-",
    "1e999",
    "1e400",
    "\u{1}",
    "-1",
    "18446744073709551616",
    "\"\"",
    "{}",
    "[]",
    "true",
    "0.5e1",
    "\"subsegments\":[{}],",
    "\"cause\":{},",
];

fn mutate(document: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(document.len() + 1);
    let to = (at + random.below(40)).min(document.len());
    match random.below(6) {
        0 => document.truncate(at),
        1 => drop(document.drain(at..to)),
        2 => drop(document.splice(at..to, PIECES[random.below(PIECES.len())].bytes())),
        3 => document.insert(at, random.below(256) as u8),
        4 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let piece = other[from..(from + random.below(60)).min(other.len())].to_vec();
            drop(document.splice(at..at, piece));
        }
        _ => {
            let copy = document[at..to].to_vec();
            drop(document.splice(at..at, copy));
        }
    }
}

/// Numbers that look like chance, the same ones every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
