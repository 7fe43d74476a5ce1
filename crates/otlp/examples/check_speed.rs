//! What the edge check, an edit and a cut cost: `cargo run --release -p collimator-otlp --example check_speed`.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use collimator_otlp::edit::{Editor, Fate, SpanEdit, edit};
use collimator_otlp::wire::{
    write_fixed32_field, write_fixed64_field, write_len_field, write_nested, write_varint_field,
};
use collimator_otlp::{Policy, Signal, check, check_plainly, chunk_items, count};

const ITEMS: usize = 1000;
const ROUNDS: usize = 300;

fn main() {
    let policy = Policy::default();
    for (signal, item) in
        [(Signal::Traces, span as fn(&mut Vec<u8>, u8)), (Signal::Metrics, metric), (Signal::Logs, log)]
    {
        let bytes = request(item);
        println!("{signal:?}: {} bytes an item", bytes.len() / ITEMS);
        measure("count", || count(signal, &bytes));
        measure("check", || check(signal, &bytes, &policy).map_or(0, |found| found.items));
        measure("check plainly", || check_plainly(signal, &bytes, &policy).map_or(0, |found| found.items));
        measure("cut in ten", || {
            chunk_items(signal, std::slice::from_ref(&bytes), ITEMS / 10)
                .iter()
                .map(|piece| piece.items)
                .sum()
        });
    }
    let bytes = request(span);
    for (name, key, share) in [
        ("edit, nothing found", "absent", 1),
        ("edit one in ten", "url.path", 10),
        ("edit all", "url.path", 1),
    ] {
        measure(name, || ITEMS - edit(Signal::Traces, &bytes, &mut Mask { key, share, seen: 0 }).dropped);
    }
}

/// The best of several runs.
fn measure(name: &str, run: impl Fn() -> usize) {
    let best = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        assert_eq!(black_box(run()), ITEMS);
        start.elapsed().as_nanos()
    });
    let best = best.min().unwrap_or_default();
    println!("  {name}: {:.1} ns an item", best as f64 / ITEMS as f64);
}

struct Mask {
    key: &'static str,
    share: usize,
    seen: usize,
}

impl Editor for Mask {
    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        self.seen += 1;
        if self.seen.is_multiple_of(self.share) {
            span.attributes().update(self.key, "****");
        }
        Fate::Keep
    }
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

const ATTRIBUTES: [(&str, &str); 10] = [
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
];

fn span(out: &mut Vec<u8>, seed: u8) {
    write_len_field(out, 1, &[seed; 16]);
    write_len_field(out, 2, &[seed; 8]);
    write_len_field(out, 4, &[seed; 8]);
    write_len_field(out, 5, b"GET /api/orders/{id}");
    write_varint_field(out, 6, 2);
    write_fixed64_field(out, 7, 1_700_000_000_000_000_000);
    write_fixed64_field(out, 8, 1_700_000_000_123_000_000);
    for (key, value) in ATTRIBUTES {
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

/// A histogram of one data point, as an SDK exports it.
fn metric(out: &mut Vec<u8>, seed: u8) {
    write_len_field(out, 1, b"http.server.request.duration");
    write_len_field(out, 2, b"Duration of HTTP server requests");
    write_len_field(out, 3, b"s");
    write_nested(out, 9, |out| {
        write_nested(out, 1, |out| {
            write_fixed64_field(out, 2, 1_700_000_000_000_000_000);
            write_fixed64_field(out, 3, 1_700_000_060_000_000_000);
            write_fixed64_field(out, 4, seed.into());
            write_fixed64_field(out, 5, 1.5_f64.to_bits());
            write_len_field(out, 6, &[0; 15 * 8]);
            write_len_field(out, 7, &[0; 14 * 8]);
            for (key, value) in &ATTRIBUTES[..4] {
                attribute(out, 9, key, value);
            }
        });
        write_varint_field(out, 2, 2);
    });
}

fn log(out: &mut Vec<u8>, seed: u8) {
    write_fixed64_field(out, 1, 1_700_000_000_000_000_000);
    write_varint_field(out, 2, 9);
    write_len_field(out, 3, b"INFO");
    write_nested(out, 5, |out| {
        write_len_field(out, 1, b"order 4711 of customer 42 has been shipped to Berlin")
    });
    for (key, value) in &ATTRIBUTES[..5] {
        attribute(out, 6, key, value);
    }
    write_fixed32_field(out, 8, 1);
    write_len_field(out, 9, &[seed; 16]);
    write_len_field(out, 10, &[seed; 8]);
    write_fixed64_field(out, 11, 1_700_000_000_000_000_001);
}

fn request(item: fn(&mut Vec<u8>, u8)) -> Bytes {
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| {
        write_nested(out, 1, |out| attribute(out, 1, "service.name", "orders"));
        write_nested(out, 2, |out| {
            write_nested(out, 1, |out| write_len_field(out, 1, b"instrumentation"));
            for index in 0..ITEMS {
                write_nested(out, 2, |out| item(out, index as u8));
            }
        });
    });
    out.into()
}
