//! Everything the crate does, over any bytes. The body is the crate's, whose tests run it over `seeds`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_otlp_json::fuzz_json(data));
