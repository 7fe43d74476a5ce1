//! What the samples say of a process whose allocator takes them.

use std::alloc::System;
use std::hint::black_box;

use collimator_heap::{Sampling, allocated, is_installed, snapshot, start, stop};

#[global_allocator]
static ALLOCATOR: Sampling<System> = Sampling::new(System);

const BLOCK: usize = 1000;
const BLOCKS: usize = 20_000;

#[inline(never)]
fn hold_in_small_blocks() -> Vec<Vec<u8>> {
    (0..BLOCKS).map(|_| black_box(vec![1; BLOCK])).collect()
}

/// Bytes held, and blocks, of stacks that run through `function`.
fn held_by(function: &str) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for stack in snapshot() {
        let mut named = false;
        for frame in &stack.frames {
            backtrace::resolve(std::ptr::without_provenance_mut(*frame), |symbol| {
                named |= symbol.name().is_some_and(|name| name.to_string().contains(function));
            });
        }
        if named {
            sum.0 += stack.held.bytes;
            sum.1 += stack.held.objects;
        }
    }
    sum
}

#[test]
fn samples_estimate_what_is_held_and_by_whom() {
    start(16 * 1024);
    assert!(is_installed());
    let blocks = hold_in_small_blocks();
    let (bytes, objects) = held_by("hold_in_small_blocks");
    // 20 MB of blocks and the vector of 160 kB; about 1,200 samples, so 10 % is more than three deviations.
    let expected = (BLOCK * BLOCKS) as f64;
    assert!((bytes / expected - 1.0).abs() < 0.12, "{bytes} of {expected}");
    assert!((objects / BLOCKS as f64 - 1.0).abs() < 0.12, "{objects} of {BLOCKS}");
    drop(blocks);
    let (bytes, _) = held_by("hold_in_small_blocks");
    assert!(bytes < expected / 1000.0, "{bytes} held after everything was freed");
    stop();
    let before = snapshot().iter().map(|stack| stack.allocated.objects).sum::<f64>();
    let counted = allocated();
    drop(hold_in_small_blocks());
    let counted = (allocated() - counted) as f64;
    assert!((counted / expected - 1.0).abs() < 0.05, "{counted} of {expected} counted");
    let after = snapshot().iter().map(|stack| stack.allocated.objects).sum::<f64>();
    assert!((before - after).abs() < f64::EPSILON, "nothing is recorded while sampling is off");
}
