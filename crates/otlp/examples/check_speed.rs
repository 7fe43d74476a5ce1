//! What the edge check costs: `cargo run --release -p collimator-otlp --example check_speed`.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::time::Instant;

use collimator_otlp::wire::{
    write_fixed32_field, write_fixed64_field, write_len_field, write_nested, write_varint_field,
};
use collimator_otlp::{Policy, Signal, check, check_plainly, count};

const SPANS: usize = 1000;
const ROUNDS: usize = 200;

fn main() {
    let bytes = request();
    println!("{} bytes a span", bytes.len() / SPANS);
    let policy = Policy::default();
    for _ in 0..3 {
        measure("count", || count(Signal::Traces, &bytes));
        measure("check", || check(Signal::Traces, &bytes, &policy).map_or(0, |found| found.items));
        measure("plain", || check_plainly(Signal::Traces, &bytes, &policy).map_or(0, |found| found.items));
    }
}

fn measure(name: &str, run: impl Fn() -> usize) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(black_box(run()), SPANS);
    }
    println!("{name}: {:.1} ns a span", start.elapsed().as_nanos() as f64 / (SPANS * ROUNDS) as f64);
}

fn attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &str) {
    write_nested(out, number, |out| {
        write_len_field(out, 1, key.as_bytes());
        write_nested(out, 2, |out| match value.parse::<u64>() {
            Ok(int) => write_varint_field(out, 3, int),
            Err(_) => write_len_field(out, 1, value.as_bytes()),
        });
    });
}

fn span(out: &mut Vec<u8>, seed: u8) {
    write_len_field(out, 1, &[seed; 16]);
    write_len_field(out, 2, &[seed; 8]);
    write_len_field(out, 4, &[seed; 8]);
    write_len_field(out, 5, b"GET /api/orders/{id}");
    write_varint_field(out, 6, 2);
    write_fixed64_field(out, 7, 1_700_000_000_000_000_000);
    write_fixed64_field(out, 8, 1_700_000_000_123_000_000);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/orders/{id}"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/orders/4711"),
        ("url.scheme", "https"),
        ("server.address", "orders.internal"),
        ("server.port", "8443"),
        ("client.address", "10.1.2.3"),
        ("user_agent.original", "okhttp/4.12.0"),
        ("network.protocol.version", "1.1"),
    ] {
        attribute(out, 9, key, value);
    }
    write_nested(out, 11, |out| {
        write_fixed64_field(out, 1, 1_700_000_000_050_000_000);
        write_len_field(out, 2, b"cache.miss");
        attribute(out, 3, "cache.key", "order:4711");
    });
    write_nested(out, 15, |_| {});
    write_fixed32_field(out, 16, 0x101);
}

fn request() -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| {
        write_nested(out, 1, |out| attribute(out, 1, "service.name", "orders"));
        write_nested(out, 2, |out| {
            write_nested(out, 1, |out| write_len_field(out, 1, b"instrumentation"));
            for index in 0..SPANS {
                write_nested(out, 2, |out| span(out, index as u8));
            }
        });
    });
    out
}
