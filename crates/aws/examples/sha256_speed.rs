//! What it costs to hash bodies one by one and together: `cargo run --release -p collimator-aws --example sha256_speed`.

#![allow(clippy::print_stdout, reason = "a tool for people")]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use collimator_aws::Body;

const ROUNDS: u32 = 300;
/// Fifty documents of a kilobyte.
const BYTES: usize = 50 << 10;

fn main() {
    let body = |at: usize| Bytes::from((0..BYTES).map(|byte| (byte * 7 + at) as u8).collect::<Vec<_>>());
    let bodies: Vec<Bytes> = (0..Body::at_once()).map(body).collect();
    for count in 1..=bodies.len() {
        let alone = best(&bodies[..count], |bodies| bodies.into_iter().map(Body::new).collect());
        let together = best(&bodies[..count], Body::together);
        println!("{count} of {BYTES} bytes: one by one {alone:.3} ns a byte, together {together:.3}");
    }
}

/// Nanoseconds a byte, of the best of ten turns.
fn best(bodies: &[Bytes], make: impl Fn(Vec<Bytes>) -> Vec<Body>) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box(make(black_box(bodies.to_vec())));
        }
        best = best.min(begun.elapsed().as_secs_f64());
    }
    best * 1e9 / (f64::from(ROUNDS) * (bodies.len() * BYTES) as f64)
}
