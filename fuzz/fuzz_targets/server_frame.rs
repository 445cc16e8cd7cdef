//! A line from a server.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lanchat_fuzz::server_frame(input));
