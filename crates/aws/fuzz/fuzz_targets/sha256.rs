//! Hashes of several messages at once are the library's.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_aws::fuzz_sha256(data));
