//! libFuzzer's way in to `countersign_fuzz::dskpp_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::dskpp_client(data));
