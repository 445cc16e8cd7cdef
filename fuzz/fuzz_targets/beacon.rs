//! The TXT record of an advert.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lanchat_fuzz::beacon(input));
