//! Runs `smtp::fuzz::fuzz_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp::fuzz::fuzz_server(octets));
