//! libFuzzer's way in to `countersign_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::token(data));
