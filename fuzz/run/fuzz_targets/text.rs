//! libFuzzer's way in to `countersign_fuzz::shown_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::shown_text(data));
