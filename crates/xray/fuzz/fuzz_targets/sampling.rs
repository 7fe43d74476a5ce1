#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| collimator_xray::sampling::fuzz_sampling(data));
