//! What an allocation costs: from the allocator itself, through the sampling one while it is off, and while it is on.
//!
//! `cargo run --release -p collimator-heap --example allocation_cost`
#![allow(unsafe_code, reason = "calls allocators")]
#![allow(clippy::print_stdout, reason = "prints a table")]

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::time::Instant;

use collimator_heap::{Sampling, start, stop};
use mimalloc::MiMalloc;

static SAMPLING: Sampling<MiMalloc> = Sampling::new(MiMalloc);
const BLOCKS: usize = 10_000;
const ROUNDS: usize = 41;

/// Nanoseconds for a block to be taken and given back.
fn time(allocator: &impl GlobalAlloc, layout: Layout) -> f64 {
    let mut blocks = Vec::with_capacity(BLOCKS);
    let begin = Instant::now();
    for _ in 0..BLOCKS {
        // SAFETY: the size is not zero.
        blocks.push(black_box(unsafe { allocator.alloc(layout) }));
    }
    for block in blocks.drain(..) {
        // SAFETY: it was taken above, with this layout.
        unsafe { allocator.dealloc(block, layout) };
    }
    begin.elapsed().as_secs_f64() * 1e9 / BLOCKS as f64
}

fn main() {
    println!("| bytes | mimalloc, ns | sampling, off | one in 512 KiB |\n|---|---|---|---|");
    for size in [32, 256, 4096] {
        let layout = Layout::from_size_align(size, 8).expect("a small power of two");
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            times[0].push(time(&MiMalloc, layout));
            times[1].push(time(&SAMPLING, layout));
            start(512 * 1024);
            times[2].push(time(&SAMPLING, layout));
            stop();
        }
        let [plain, off, on] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        });
        println!("| {size} | {plain:.1} | {off:.1} | {on:.1} |");
    }
}
