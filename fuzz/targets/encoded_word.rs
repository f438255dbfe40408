//! Runs `message::fuzz::fuzz_encoded_word`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_encoded_word(octets));
