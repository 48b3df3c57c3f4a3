//! See `poco_decoders::results`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::results(bytes));
