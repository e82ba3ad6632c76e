//! libFuzzer's way in to `countersign_fuzz::pam_passcode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::pam_passcode(data));
