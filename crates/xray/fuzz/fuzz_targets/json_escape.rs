//! Any text inside a JSON string. The body is the crate's, whose tests run it over texts of their own.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_xray::json::escape::fuzz_escape(data));
