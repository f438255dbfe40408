//! Runs `message::fuzz::fuzz_letter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_letter(octets));
