//! libFuzzer's way in to `countersign_fuzz::radius_packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::radius_packet(data));
