//! libFuzzer's way in to `countersign_fuzz::native_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::native_message(data));
