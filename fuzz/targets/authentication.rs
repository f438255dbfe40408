//! Runs `message::fuzz::fuzz_authentication`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_authentication(octets));
