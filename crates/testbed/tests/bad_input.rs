//! Whatever comes in: the process lives, the sender is told what is wrong, a neighbour loses nothing.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use prost::Message as _;
use testbed::grpc::{Client, RpcStatus, TRACES, frame, frame_of_length};
use testbed::http::{self, JSON, PROTOBUF};
use testbed::neighbour::Scene;
use testkit::generate::traces;

/// Most resident memory that any of this may bring the process to. Generous: it is there to catch 10 GiB.
const MEMORY: usize = 700 << 20;

const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

fn memory_is_bounded(scene: &Scene) {
    let Some(peak) = scene.collector.memory() else { return };
    assert!(peak < MEMORY, "the process took {} MiB", peak >> 20);
}

/// Sends a message that is wrong in itself over every protocol and expects the same complaint from each.
async fn refused_everywhere(scene: &Scene, what: &str, message: &[u8]) {
    let client = Client::connect(scene.collector.grpc()).await;
    let answer = client.export(TRACES, message).await;
    assert_eq!(answer.code, INVALID_ARGUMENT, "{what}: {answer:?}");
    assert!(!answer.message.is_empty(), "{what}: it is told why");
    let response = http::post(scene.collector.http(), "/v1/traces", &[PROTOBUF], message);
    assert_eq!(response.status, 400, "{what}");
    assert_eq!(response.header("content-type"), Some("application/x-protobuf"), "{what}");
    let status = RpcStatus::decode(&response.body[..]).unwrap();
    assert_eq!((status.code, &status.message), (INVALID_ARGUMENT, &answer.message), "{what}");
    // The connection is as good as before.
    assert_eq!(client.export(TRACES, b"").await.code, 0, "{what}");
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A field with its length before it.
fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(payload.len() as u64), payload].concat()
}

/// A request whose one span is these bytes.
fn with_span(span: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, span)))
}

/// An attribute value of arrays in arrays.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        // AnyValue.array_value, ArrayValue.values
        value = field(5, &field(1, &value));
    }
    value
}

fn span_fields(fields: &[Vec<u8>]) -> Vec<u8> {
    with_span(&fields.concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_none() {
    let scene = Scene::start().await;
    let valid = traces(1..11).encode_to_vec();
    let (trace_id, span_id) = (field(1, &[7; 16]), field(2, &[8; 8]));
    let ids = [trace_id.clone(), span_id.clone()].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", valid[..valid.len() - 3].to_vec()),
        ("truncated in the first length", valid[..1].to_vec()),
        ("text", b"hello, collector".to_vec()),
        ("json as protobuf", b"{\"resourceSpans\":[]}".to_vec()),
        ("zeros", vec![0; 1000]),
        ("all ones", vec![0xff; 1000]),
        ("resource spans as a number", vec![0x08, 0x01]),
        ("a name as a number", span_fields(&[ids.clone(), vec![5 << 3, 1]])),
        ("a start time as text", span_fields(&[ids.clone(), field(7, b"now")])),
        ("a length of 10 GiB", [&[0x0a][..], &varint(10 << 30)].concat()),
        ("an inner length of 10 GiB", field(1, &[&[0x12][..], &varint(10 << 30)].concat())),
        ("a length of 2^64 - 1", [&[0x0a][..], &varint(u64::MAX)].concat()),
        ("a varint without end", [&[0x0a][..], &[0x80; 20]].concat()),
        ("a group that does not end", vec![0x0b]),
        ("a group end alone", vec![0x0c]),
        ("field number 0", vec![0x02, 0x00]),
        ("a trace id of 15 bytes", span_fields(&[field(1, &[7; 15]), span_id.clone()])),
        ("a trace id of 17 bytes", span_fields(&[field(1, &[7; 17]), span_id])),
        ("a span id of 7 bytes", span_fields(&[trace_id.clone(), field(2, &[8; 7])])),
        ("a parent id of 9 bytes", span_fields(&[ids.clone(), field(4, &[8; 9])])),
        (
            "a nesting bomb",
            span_fields(&[ids, field(9, &[field(1, b"k"), field(2, &nested(3000))].concat())]),
        ),
    ];
    for (what, message) in cases {
        refused_everywhere(&scene, what, &message).await;
    }
    memory_is_bounded(&scene);
    scene.finish([]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_none() {
    let scene = Scene::start().await;
    let span =
        |fields: &str| format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{{fields}}}]}}]}}]}}");
    let bomb = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let values = format!(
        "\"attributes\":[{{\"key\":\"k\",\"value\":{}1{}}}]",
        "{\"arrayValue\":{\"values\":[".repeat(3000),
        "]}}".repeat(3000)
    );
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("no object", b"5".to_vec()),
        ("truncated", b"{\"resourceSpans\":[{".to_vec()),
        ("more than one", b"{}{}".to_vec()),
        ("protobuf as json", traces(1..3).encode_to_vec()),
        ("a wrong type", b"{\"resourceSpans\":\"x\"}".to_vec()),
        (
            "an id that is not hexadecimal",
            span("\"traceId\":\"zz\",\"spanId\":\"00f067aa0ba902b7\"").into_bytes(),
        ),
        ("an id that is too short", span("\"spanId\":\"00f067\"").into_bytes()),
        ("a number that is none", span("\"startTimeUnixNano\":\"soon\"").into_bytes()),
        ("brackets", bomb.into_bytes()),
        ("nested values", span(&values).into_bytes()),
        (
            "nested in an unknown field",
            format!("{{\"x\":{}{}}}", "{\"y\":".repeat(50_000), "}".repeat(50_000)).into_bytes(),
        ),
    ];
    for (what, body) in cases {
        let response = http::post(scene.collector.http(), "/v1/traces", &[JSON], &body);
        let text = response.text();
        assert_eq!(response.status, 400, "{what}: {text}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
        let status: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status["code"], INVALID_ARGUMENT, "{what}: {text}");
        assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {text}");
    }
    memory_is_bounded(&scene);
    scene.finish([]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_too_large() {
    let scene = Scene::start().await;
    let (grpc, http) = (scene.collector.grpc(), scene.collector.http());
    let client = Client::connect(grpc).await;

    // It is refused by its prefix: nothing follows.
    let answer = client.call(TRACES, &[], frame_of_length(0, u32::MAX, b"")).await.unwrap();
    assert_eq!(answer.code, RESOURCE_EXHAUSTED);
    assert_eq!(answer.message, "grpc: received message larger than max (4294967295 vs. 4194304)");
    let large = vec![0; 5 << 20];
    let answer = client.call(TRACES, &[], frame(0, &large)).await.unwrap();
    assert_eq!(answer.code, RESOURCE_EXHAUSTED);
    assert_eq!(answer.message, "grpc: received message larger than max (5242880 vs. 4194304)");

    let large = vec![0; 21 << 20];
    let response = http::post(http, "/v1/traces", &[PROTOBUF], &large);
    assert_eq!(response.status, 400);
    assert_eq!(RpcStatus::decode(&response.body[..]).unwrap().message, "http: request body too large");

    // Said to be 10 GiB: refused by its length, although the body never comes.
    let mut stream = http::connect(http);
    stream.write_all(http::head("POST", "/v1/traces", &[PROTOBUF], 10 << 30).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let response = http::try_response(&mut stream);
    assert!(response.is_none_or(|response| response.status == 400));

    // More digits than a length can have.
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n";
    let mut stream = http::connect(http);
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(http::response(&mut stream).status, 400);

    memory_is_bounded(&scene);
    scene.finish([]).await;
}

const BOMB: usize = 64 << 20;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 1).unwrap()
}

fn snappy(data: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(data).unwrap()
}

fn snappy_framed(data: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(data).unwrap();
    encoder.into_inner().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_bombs() {
    let scene = Scene::start().await;
    let zeros = vec![0; BOMB];
    let client = Client::connect(scene.collector.grpc()).await;
    let codecs: [(&str, Compress); 3] = [("gzip", gzip), ("zstd", zstd), ("snappy", snappy_framed)];
    for (name, compress) in codecs {
        let headers = [("grpc-encoding", name)];
        let answer = client.call(TRACES, &headers, frame(1, &compress(&zeros))).await.unwrap();
        assert_eq!(answer.code, RESOURCE_EXHAUSTED, "{name}: {answer:?}");
        assert!(answer.message.starts_with("grpc: received message "), "{name}: {answer:?}");
        let answer = client.call(TRACES, &headers, frame(1, b"this is not compressed")).await.unwrap();
        assert_eq!(answer.code, INTERNAL, "{name}: {answer:?}");
        assert!(answer.message.contains("failed to decompress"), "{name}: {answer:?}");
        let torn = compress(&traces(1..100).encode_to_vec());
        let answer = client.call(TRACES, &headers, frame(1, &torn[..torn.len() - 5])).await.unwrap();
        assert_eq!(answer.code, INTERNAL, "{name}: {answer:?}");
    }
    let codecs: [(&str, Compress); 6] = [
        ("gzip", gzip),
        ("zlib", zlib),
        ("deflate", zlib),
        ("zstd", zstd),
        ("snappy", snappy),
        ("x-snappy-framed", snappy_framed),
    ];
    for (name, compress) in codecs {
        let post = |body: &[u8]| {
            let headers = [PROTOBUF, ("content-encoding", name)];
            let response = http::post(scene.collector.http(), "/v1/traces", &headers, body);
            (response.status, RpcStatus::decode(&response.body[..]).unwrap().message)
        };
        assert_eq!(post(&compress(&zeros)), (400, "http: request body too large".to_owned()), "{name}");
        let (status, message) = post(b"this is not compressed");
        assert!(status == 400 && !message.is_empty(), "{name}: {status} {message}");
    }
    // A block that says it is 4 GiB.
    let lie = [&varint(u64::from(u32::MAX))[..], &[0; 10]].concat();
    let headers = [PROTOBUF, ("content-encoding", "snappy")];
    assert_eq!(http::post(scene.collector.http(), "/v1/traces", &headers, &lie).status, 400);
    memory_is_bounded(&scene);
    scene.finish([]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compression_is_understood() {
    let scene = Scene::start().await;
    let client = Client::connect(scene.collector.grpc()).await;
    let grpc: [(&str, Compress); 3] = [("gzip", gzip), ("zstd", zstd), ("snappy", snappy_framed)];
    let http: [(&str, Compress); 6] = [
        ("gzip", gzip),
        ("zlib", zlib),
        ("deflate", zlib),
        ("zstd", zstd),
        ("snappy", snappy),
        ("x-snappy-framed", snappy_framed),
    ];
    let mut next = 1;
    let mut spans = || {
        next += 10;
        traces(next - 10..next).encode_to_vec()
    };
    for (name, compress) in grpc {
        let body = frame(1, &compress(&spans()));
        assert_eq!(client.call(TRACES, &[("grpc-encoding", name)], body).await.unwrap().code, 0, "{name}");
    }
    for (name, compress) in http {
        let headers = [PROTOBUF, ("content-encoding", name)];
        let response = http::post(scene.collector.http(), "/v1/traces", &headers, &compress(&spans()));
        assert_eq!(response.status, 200, "{name}: {}", response.text());
    }
    scene.finish(1..91).await;
}

/// A span whose name is not UTF-8.
fn not_text(id: u64) -> Vec<u8> {
    let span_id = field(2, &id.to_be_bytes());
    span_fields(&[field(1, &[7; 16]), span_id, field(5, b"caf\xe9 \xff")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_none_is_repaired_and_counted() {
    let scene = Scene::start().await;
    let client = Client::connect(scene.collector.grpc()).await;
    assert_eq!(client.export(TRACES, &not_text(1)).await.code, 0);
    assert_eq!(http::post(scene.collector.http(), "/v1/traces", &[PROTOBUF], &not_text(2)).status, 200);
    for transport in ["grpc", "http"] {
        let page = http::get(scene.collector.metrics(), "/metrics").text();
        let is_it = |line: &&str| {
            line.starts_with("collimator_receiver_replaced_strings")
                && line.contains(&format!("\"{transport}\""))
        };
        let line = page.lines().find(is_it).unwrap_or_else(|| panic!("not counted:\n{page}"));
        assert!(line.ends_with(" 1"), "{line}");
    }
    let ended = scene.finish([1, 2]).await;
    let text = std::fs::read_to_string(ended.file("out.json")).unwrap();
    assert_eq!(text.matches("\"caf\u{fffd} \u{fffd}\"").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_none_can_be_refused() {
    let scene = Scene::with_receiver("{invalid_utf8: refuse}").await;
    refused_everywhere(&scene, "invalid UTF-8", &not_text(1)).await;
    scene.finish([]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_lead_nowhere() {
    let scene = Scene::start().await;
    let http = scene.collector.http();
    let check = |response: http::Response, status: u16, text: &str| {
        assert_eq!((response.status, response.text().trim_end()), (status, text));
    };
    check(http::post(http, "/v1/profiles", &[PROTOBUF], b""), 404, "404 page not found");
    check(http::post(http, "/v1/traces/", &[PROTOBUF], b""), 404, "404 page not found");
    check(http::post(http, "/", &[PROTOBUF], b""), 404, "404 page not found");
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let response = http::request(http, method, "/v1/traces", &[PROTOBUF], b"");
        check(response, 405, "405 method not allowed, supported: [POST]");
    }
    let unsupported = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
    check(http::post(http, "/v1/traces", &[], b""), 415, unsupported);
    check(http::post(http, "/v1/traces", &[("content-type", "text/plain")], b""), 415, unsupported);
    check(http::post(http, "/v1/traces", &[("content-type", "application/grpc")], b""), 415, unsupported);
    let response = http::post(http, "/v1/traces", &[PROTOBUF, ("content-encoding", "br")], b"");
    assert_eq!(response.status, 400);
    assert_eq!(RpcStatus::decode(&response.body[..]).unwrap().message, "unsupported Content-Encoding: br");
    let with_charset = [("content-type", "Application/JSON; charset=utf-8")];
    check(http::post(http, "/v1/traces", &with_charset, b"{}"), 200, "{\"partialSuccess\":{}}");

    let client = Client::connect(scene.collector.grpc()).await;
    let base = "opentelemetry.proto.collector.";
    for (path, message) in [
        ("/foo.Bar/Baz".to_owned(), "unknown service foo.Bar".to_owned()),
        ("/".to_owned(), "malformed method name: \"/\"".to_owned()),
        (
            format!("/{base}trace.v1.TraceService/Import"),
            format!("unknown method Import for service {base}trace.v1.TraceService"),
        ),
        (
            format!("/{base}profiles.v1development.ProfilesService/Export"),
            format!("unknown service {base}profiles.v1development.ProfilesService"),
        ),
    ] {
        let answer = client.export(&path, b"").await;
        assert_eq!((answer.code, answer.message), (UNIMPLEMENTED, message));
    }
    let answer = client.call(TRACES, &[("grpc-encoding", "br")], frame(1, b"x")).await.unwrap();
    assert_eq!(answer.code, UNIMPLEMENTED, "{answer:?}");
    assert!(answer.message.contains("br"), "{answer:?}");
    let answer = client.call(TRACES, &[], frame(1, b"x")).await.unwrap();
    assert_eq!(answer.code, INTERNAL, "a compressed message without a codec: {answer:?}");
    let answer = client.call(TRACES, &[], frame(7, b"x")).await.unwrap();
    assert_eq!(answer.code, INTERNAL, "an unknown flag: {answer:?}");
    let answer = client.call(TRACES, &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.code, INTERNAL, "no message: {answer:?}");
    let twice = [frame(0, b""), frame(0, b"")].concat();
    assert_eq!(client.call(TRACES, &[], twice.into()).await.unwrap().code, INTERNAL, "two messages");
    let longer = client.call(TRACES, &[], frame_of_length(0, 100, b"short")).await.unwrap();
    assert_eq!(longer.code, INTERNAL, "less than it says: {longer:?}");
    scene.finish([]).await;
}
