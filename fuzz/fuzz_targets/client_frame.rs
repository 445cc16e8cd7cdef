//! A line from a client.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lanchat_fuzz::client_frame(input));
