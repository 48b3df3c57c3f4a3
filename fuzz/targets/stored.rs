//! See `poco_decoders::stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::stored(bytes));
