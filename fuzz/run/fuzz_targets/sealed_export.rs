//! libFuzzer's way in to `countersign_fuzz::sealed_export`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::sealed_export(data));
