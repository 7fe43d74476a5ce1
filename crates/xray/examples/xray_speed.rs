//! Prints what a span costs on its way to a document: `cargo run --release -p collimator-xray --example xray_speed`.
#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::hint::black_box;
use std::time::Instant;

use collimator_xray::from_span::{Documents, Options, Translator};
use collimator_xray::json::escape::{escape, ways};
use otlp::wire::{write_fixed64_field, write_len_field, write_nested, write_varint_field};

const RESOURCES: u64 = 3;
const SPANS: u64 = 43;
const ROUNDS: u32 = 4_000;

fn main() {
    let request = request();
    let spans = RESOURCES * SPANS;
    let mut documents = Documents::default();
    for (what, options) in [
        ("metadata", Options::default()),
        ("annotations", Options { index_all_attributes: true, ..Options::default() }),
    ] {
        let mut translator = Translator::new(options, 1);
        documents.clear();
        translator.translate(&request, 0, &mut documents);
        let bytes = |len: usize| len as u64 / spans;
        println!(
            "{what}: {} bytes on the wire, {} as documents",
            bytes(request.len()),
            bytes(documents.bytes.len())
        );
        // The best of many rounds: the rest is the machine's other business.
        let best = (0..ROUNDS).map(|_| {
            documents.clear();
            let start = Instant::now();
            translator.translate(black_box(&request), 0, &mut documents);
            start.elapsed()
        });
        let best = best.min().unwrap_or_default();
        println!("{what}: {} ns/span", best.as_nanos() / u128::from(spans));
        escaped(what, "as it is done", &documents, escape);
        for way in ways() {
            escaped(what, way.name, &documents, |text, out| way.escape(text, out));
        }
    }
}

/// Prints what it costs to escape the documents.
fn escaped(what: &str, how: &str, documents: &Documents, escape: impl Fn(&[u8], &mut Vec<u8>)) {
    let spans = RESOURCES * SPANS;
    let mut out = Vec::new();
    let best = (0..ROUNDS).map(|_| {
        out.clear();
        let start = Instant::now();
        documents.entries.iter().for_each(|entry| escape(black_box(documents.text(entry)), &mut out));
        start.elapsed()
    });
    let best = best.min().unwrap_or_default().as_nanos() / u128::from(spans);
    println!("{what}: {best} ns/span escaped ({how}), {} bytes then", out.len() as u64 / spans);
}

enum Value {
    Text(&'static str),
    Int(u64),
    Bool(bool),
}
use Value::{Bool, Int, Text};

const RESOURCE: [(&str, Value); 8] = [
    ("service.name", Text("checkout")),
    ("service.namespace", Text("shop")),
    ("service.version", Text("4.18.2")),
    ("service.instance.id", Text("627cc493-f310-47de-96bd-71410b7dec09")),
    ("host.name", Text("ip-10-42-17-12.eu-west-1.compute.internal")),
    ("telemetry.sdk.language", Text("java")),
    ("telemetry.sdk.name", Text("opentelemetry")),
    ("deployment.environment.name", Text("production")),
];
const SERVER: [(&str, Value); 10] = [
    ("http.request.method", Text("POST")),
    ("http.route", Text("/api/checkout/{id}")),
    ("url.path", Text("/api/checkout/1234")),
    ("url.scheme", Text("https")),
    ("http.response.status_code", Int(200)),
    ("client.address", Text("203.0.113.57")),
    ("user_agent.original", Text("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/143.0")),
    ("network.protocol.version", Text("1.1")),
    ("thread.name", Text("worker-7")),
    ("thread.id", Int(43)),
];
const CLIENT: [(&str, Value); 10] = [
    ("rpc.system", Text("grpc")),
    ("rpc.service", Text("payment.Payments")),
    ("rpc.method", Text("Charge")),
    ("server.address", Text("payments.prod.svc.cluster.local")),
    ("server.port", Int(8443)),
    ("rpc.grpc.status_code", Int(0)),
    ("network.peer.address", Text("10.42.17.211")),
    ("peer.service", Text("payment-gateway-eu-west-1")),
    ("thread.name", Text("worker-7")),
    ("thread.id", Int(43)),
];
const INTERNAL: [(&str, Value); 10] = [
    ("code.function.name", Text("com.example.checkout.PriceService.priceBasket")),
    ("code.file.path", Text("src/main/java/com/example/checkout/PriceService.java")),
    ("code.line.number", Int(214)),
    ("enduser.id", Text("user-8812734")),
    ("basket.currency", Text("EUR")),
    ("basket.items", Int(7)),
    ("feature_flag.key", Text("new-pricing")),
    ("basket.discounted", Bool(true)),
    ("thread.name", Text("worker-7")),
    ("thread.id", Int(43)),
];

fn request() -> Vec<u8> {
    let mut out = Vec::new();
    for resource in 0..RESOURCES {
        write_nested(&mut out, 1, |out| {
            write_nested(out, 1, |out| attributes(out, 1, &RESOURCE));
            write_nested(out, 2, |out| {
                for number in 0..SPANS {
                    write_nested(out, 2, |out| span(out, resource * SPANS + number));
                }
            });
        });
    }
    out
}

fn span(out: &mut Vec<u8>, number: u64) {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (kind, name, own) = match number % 3 {
        0 => (2, "POST /api/checkout/{id}", &SERVER),
        1 => (3, "payment.Payments/Charge", &CLIENT),
        _ => (1, "price basket", &INTERNAL),
    };
    write_len_field(out, 1, &[mixed.to_be_bytes(), (!mixed).to_be_bytes()].concat());
    write_len_field(out, 2, &mixed.rotate_left(17).to_be_bytes());
    write_len_field(out, 4, &mixed.rotate_left(31).to_be_bytes());
    write_len_field(out, 5, name.as_bytes());
    write_varint_field(out, 6, kind);
    write_fixed64_field(out, 7, 1_795_132_800_000_123_456 + number * 1_000_017);
    write_fixed64_field(out, 8, 1_795_132_800_004_223_456 + number * 1_000_917);
    attributes(out, 9, own);
    if number.is_multiple_of(37) {
        write_nested(out, 15, |out| {
            write_len_field(out, 2, b"upstream timed out");
            write_varint_field(out, 3, 2);
        });
    }
}

fn attributes(out: &mut Vec<u8>, number: u32, attributes: &[(&str, Value)]) {
    for (key, value) in attributes {
        write_nested(out, number, |out| {
            write_len_field(out, 1, key.as_bytes());
            write_nested(out, 2, |out| match value {
                Text(text) => write_len_field(out, 1, text.as_bytes()),
                Int(value) => write_varint_field(out, 3, *value),
                Bool(value) => write_varint_field(out, 2, u64::from(*value)),
            });
        });
    }
}
