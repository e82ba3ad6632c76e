//! libFuzzer's way in to `countersign_fuzz::activation_string`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::activation_string(data));
