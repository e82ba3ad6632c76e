//! libFuzzer's way in to `countersign_fuzz::recovery_code`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::recovery_code(data));
