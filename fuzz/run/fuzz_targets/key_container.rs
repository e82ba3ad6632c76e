//! libFuzzer's way in to `countersign_fuzz::key_container`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::key_container(data));
