//! Everything the crate does, over any bytes. The body is the test suite's, which runs it over `seeds`.

#![no_main]

#[path = "../../tests/suite/fuzz_body.rs"]
mod fuzz_body;
#[path = "../../tests/suite/items.rs"]
mod items;
#[path = "../../tests/suite/prost_of.rs"]
mod prost_of;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_body::fuzz_wire(data));
