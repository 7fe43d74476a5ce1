//! `cargo +nightly fuzz run json corpus seeds`, in `crates/otlp-json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_otlp_json::fuzz_json(data));
