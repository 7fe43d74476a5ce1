//! Any sequence of requests to the sampling allocator. The body is the test suite's.

#![no_main]

#[path = "../../tests/fuzzed/fuzz_body.rs"]
mod fuzz_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    collimator_heap::start(700);
    fuzz_body::fuzz_allocator(data);
});
