//! Runs `message::fuzz::fuzz_downgrade`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_downgrade(octets));
