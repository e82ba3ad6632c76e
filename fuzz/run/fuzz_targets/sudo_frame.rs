//! libFuzzer's way in to `countersign_fuzz::sudo_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::sudo_frame(data));
