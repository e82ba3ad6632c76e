//! libFuzzer's way in to `countersign_fuzz::ocra_suite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::ocra_suite(data));
