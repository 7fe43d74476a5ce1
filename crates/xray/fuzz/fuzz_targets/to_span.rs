//! Any bytes as a document. The body is the crate's, whose tests run it over `seeds`.

#![no_main]

libfuzzer_sys::fuzz_target!(|document: &[u8]| collimator_xray::to_span::fuzz::fuzz_to_span(document));
