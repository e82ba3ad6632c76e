//! libFuzzer's way in to `countersign_fuzz::privacyidea_link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::privacyidea_link(data));
