//! See `poco_decoders::orders`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::orders(bytes));
