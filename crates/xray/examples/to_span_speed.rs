//! What it costs to turn a document into spans: `cargo run --release -p collimator-xray --example to_span_speed`.

#![allow(clippy::print_stdout, reason = "a tool for people")]

use std::hint::black_box;
use std::time::Instant;

use collimator_xray::to_span::{Options, Translator};

const ROUNDS: u32 = 200_000;

/// A server's segment of about 1 kB with a call in it, as the SDK for Python writes it.
const SEGMENT: &str = r#"{"id": "0f5d392f08941846", "name": "checkout", "start_time": 1795223398.370501, "in_progress": false, "http": {"request": {"method": "POST", "url": "https://shop.example.com/cart/checkout", "client_ip": "203.0.113.77", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, "response": {"status": 200, "content_length": 5120}}, "annotations": {"tenant": "acme", "items": 3, "express": true}, "metadata": {"default": {"cart": {"id": "c-991", "total": 129.5}, "flags": ["a", "b"]}}, "aws": {"xray": {"sdk": "X-Ray for Python", "sdk_version": "2.15.0"}, "ec2": {"instance_id": "i-0b22a22eec53b9321", "availability_zone": "eu-west-1a"}}, "subsegments": [{"id": "a52b3c32575c12df", "name": "DynamoDB", "start_time": 1795223398.4203463, "in_progress": false, "namespace": "aws", "end_time": 1795223398.4203496, "aws": {"operation": "PutItem", "region": "eu-west-1", "table_name": "orders"}, "http": {"response": {"status": 200}}}], "trace_id": "1-6b00ef66-5306a84e74c3e85a319c683b", "service": {"runtime": "CPython", "runtime_version": "3.11.7"}, "end_time": 1795223398.4203734}"#;

fn main() {
    for (name, options) in [
        ("as the reference", Options::default()),
        ("preserving", Options { preserve: true, ..Options::default() }),
    ] {
        let mut translator = Translator::new(options);
        let mut out = Vec::new();
        let mut best = f64::INFINITY;
        let mut spans = 0;
        for _ in 0..10 {
            let begun = Instant::now();
            for _ in 0..ROUNDS / 10 {
                out.clear();
                let taken = translator.read(black_box(SEGMENT.as_bytes()), &mut out);
                spans = taken.map_or(0, |taken| taken.spans);
                black_box(&out);
            }
            best = best.min(begun.elapsed().as_secs_f64() / f64::from(ROUNDS / 10));
        }
        println!(
            "{name}: {} bytes of {spans} segments to {} in {:.0} ns",
            SEGMENT.len(),
            out.len(),
            best * 1e9
        );
    }
}
