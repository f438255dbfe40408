//! Runs `smtp::fuzz::fuzz_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp::fuzz::fuzz_client(octets));
