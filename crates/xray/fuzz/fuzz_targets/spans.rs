//! Any bytes as a request of spans, and as stack traces. The body is the crate's; its tests run it over the recorded
//! cases and over mutations of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_xray::from_span::fuzz_spans(data));
