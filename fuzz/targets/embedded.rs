//! Runs `message::fuzz::fuzz_embedded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_embedded(octets));
