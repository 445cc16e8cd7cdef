//! The name of a room.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lanchat_fuzz::name(input));
