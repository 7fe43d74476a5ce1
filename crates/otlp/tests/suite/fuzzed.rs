//! The fuzz target's body over its seeds and many mutations of them.

use collimator_otlp::{Signal, count};

use crate::fuzz_body::fuzz_wire;
use crate::generate::{Odd, Rng, request};

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
const MUTATIONS: usize = 100_000;

fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(SEEDS).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_and_their_mutations() {
    let seeds = seeds();
    assert!(seeds.len() >= 9);
    seeds.iter().for_each(|seed| fuzz_wire(seed));
    let mut rng = Rng(42);
    for _ in 0..MUTATIONS {
        let mut bytes = seeds[rng.below(seeds.len())].clone();
        for _ in 0..=rng.below(3) {
            mutate(&mut bytes, &mut rng);
        }
        fuzz_wire(&bytes);
    }
}

/// What a careless or hostile sender does to bytes.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.below(bytes.len());
    match rng.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at.min(bytes.len()), rng.next() as u8),
        2 if !bytes.is_empty() => drop(bytes.remove(at)),
        3 => {
            let len = rng.below(bytes.len() - at + 1);
            let copy = bytes[at..at + len].to_vec();
            bytes.extend(copy);
        }
        4 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
        _ if !bytes.is_empty() => bytes[at] = rng.next() as u8,
        _ => {}
    }
}

/// Writes the seeds: `COLLIMATOR_WRITE_SEEDS=1 cargo test -p collimator-otlp seeds_are_requests`.
#[test]
fn seeds_are_requests() {
    let all = [
        Odd::default(),
        Odd { repeated: true, invalid_utf8: false },
        Odd { repeated: true, invalid_utf8: true },
    ];
    for signal in Signal::ALL {
        for (index, odd) in all.into_iter().enumerate() {
            let path = format!("{SEEDS}/{}-{index}", format!("{signal:?}").to_lowercase());
            // Small ones, so that a mutation has a good chance of hitting something.
            let small = (0..).map(|seed| request(signal, &mut Rng(seed), 2, odd));
            let enough = |bytes: &Vec<u8>| bytes.len() < 2000 && count(signal, bytes) >= 2;
            let bytes = small.into_iter().find(enough).unwrap();
            if std::env::var_os("COLLIMATOR_WRITE_SEEDS").is_some() {
                std::fs::create_dir_all(SEEDS).unwrap();
                std::fs::write(&path, &bytes).unwrap();
            }
            assert!(std::fs::read(&path).unwrap() == bytes, "{path} is not what is generated");
        }
    }
}
