//! Prints what a span costs in each direction: `cargo run --release -p collimator-otlp-json --example json_speed`.
#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::hint::black_box;
use std::time::Instant;

use collimator_otlp_json::{Limits, read, write};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use otlp::schema::TRACES;
use prost::Message as _;

const SPANS: u64 = 1024;
const ROUNDS: u32 = 400;

fn main() {
    let wire = request().encode_to_vec();
    let mut text = Vec::new();
    write(&TRACES, &wire, &mut text);
    let bytes = |len: usize| len as u64 / SPANS;
    println!("a span: {} bytes on the wire, {} in JSON", bytes(wire.len()), bytes(text.len()));
    for _ in 0..3 {
        per_span("write", || {
            text.clear();
            write(&TRACES, black_box(&wire), &mut text);
            black_box(&text);
        });
        per_span("read", || drop(black_box(read(&TRACES, black_box(&text), &Limits::default()))));
    }
}

fn per_span(what: &str, mut work: impl FnMut()) {
    work();
    // The best of many rounds: the rest is the machine's other business.
    let best = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    let best = best.min().unwrap_or_default();
    println!("{what}: {} ns/span", best.as_nanos() / u128::from(SPANS));
}

fn request() -> ExportTraceServiceRequest {
    let resource = Resource { attributes: attributes(0), ..Resource::default() };
    let scope = InstrumentationScope { name: "example".to_owned(), ..InstrumentationScope::default() };
    let spans = (0..SPANS).map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn span(seed: u64) -> Span {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Span {
        trace_id: [mixed.to_be_bytes(), (!mixed).to_be_bytes()].concat(),
        span_id: mixed.rotate_left(17).to_be_bytes().to_vec(),
        parent_span_id: mixed.rotate_left(31).to_be_bytes().to_vec(),
        flags: 257,
        name: "GET /api/v1/orders/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_544_712_660_000_000_000 + seed,
        end_time_unix_nano: 1_544_712_661_000_000_000 + seed,
        attributes: attributes(seed),
        status: Some(Status::default()),
        ..Span::default()
    }
}

fn attributes(seed: u64) -> Vec<KeyValue> {
    let text = |text: &str| Value::StringValue(text.to_owned());
    [
        ("http.request.method", text("GET")),
        ("url.path", Value::StringValue(format!("/api/v1/orders/{seed}"))),
        ("url.scheme", text("https")),
        ("server.address", text("orders.example.com")),
        ("server.port", Value::IntValue(8443)),
        ("http.response.status_code", Value::IntValue(200)),
        ("network.protocol.version", text("1.1")),
        ("user_agent.original", text("okhttp/4.12.0")),
        ("cache.hit_ratio", Value::DoubleValue(0.25)),
    ]
    .map(|(key, value)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    })
    .to_vec()
}
