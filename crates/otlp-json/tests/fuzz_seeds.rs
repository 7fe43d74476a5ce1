//! The fuzz target's body over its seeds and over mutations of them, with serde_json as a second opinion.

use std::path::Path;

use collimator_otlp_json::{Limits, fuzz_json, read};
use otlp::schema::{LOGS, METRICS, TRACES};

const MUTATIONS: usize = 100_000;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("seed")).collect()
}

#[test]
fn seeds_hold() {
    let seeds = seeds();
    assert!(seeds.len() >= 5);
    for seed in seeds {
        fuzz_json(&seed);
    }
}

#[test]
fn mutations_hold() {
    let seeds = seeds();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..MUTATIONS {
        let mut data = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut data, &mut random);
        }
        fuzz_json(&data);
        for message in [&TRACES, &METRICS, &LOGS] {
            if read(message, &data, &Limits::default()).is_ok() {
                check_serde(&data);
            }
        }
    }
}

/// What we read must be JSON to others too. Excepted is what they are stricter in: halves of surrogate pairs, and
/// numbers that no double holds, in unknown fields.
fn check_serde(data: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(data) {
        let message = error.to_string();
        let stricter = ["surrogate", "hex escape", "number out of range"];
        assert!(stricter.iter().any(|known| message.contains(known)), "{message}: {}", data.escape_ascii());
    }
}

/// Pieces that parsers stumble over.
const PIECES: [&str; 16] = [
    "\"", "\\", "\\u", "\\ud83d", "{", "}", "[", "]", ",", ":", "null", "-", "1e999", "\u{1}", "\"NaN\"",
    "0.5e1",
];

fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(data.len() + 1);
    match random.below(6) {
        0 => data.truncate(at),
        1 => {
            let piece = PIECES[random.below(PIECES.len())];
            data.splice(at..at, piece.bytes());
        }
        2 => {
            let end = (at + random.below(8)).min(data.len());
            data.drain(at..end);
        }
        3 => {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => {
            if let Some(byte) = data.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        _ => {
            let end = (at + random.below(40)).min(data.len());
            let copy = data[at..end].to_vec();
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
