//! See `poco_decoders::questions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::questions(bytes));
