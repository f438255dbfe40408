//! Runs `message::fuzz::fuzz_message_id`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| message::fuzz::fuzz_message_id(octets));
