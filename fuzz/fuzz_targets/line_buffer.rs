//! A stream, cut in two ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lanchat_fuzz::line_buffer(input));
