//! See `poco_decoders::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::config(bytes));
