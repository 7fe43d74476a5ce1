//! The fuzz target's body over random steps, in many threads at once.

mod fuzz_body;

use collimator_heap::{snapshot, start};

#[test]
fn every_block_keeps_its_content() {
    start(700);
    std::thread::scope(|scope| {
        for seed in 1..=4_u64 {
            scope.spawn(move || {
                let mut state = seed;
                for _ in 0..400 {
                    let steps: Vec<u8> = std::iter::repeat_with(|| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 56) as u8
                    })
                    .take(90)
                    .collect();
                    fuzz_body::fuzz_allocator(&steps);
                }
            });
        }
    });
    let stacks = snapshot();
    assert!(!stacks.is_empty(), "samples were taken");
    let held: f64 = stacks.iter().map(|stack| stack.held.bytes).sum();
    assert!(held.abs() < 1.0, "{held} bytes held after everything was freed");
}
