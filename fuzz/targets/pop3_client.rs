//! Runs `pop3::fuzz::fuzz_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3::fuzz::fuzz_client(octets));
