//! See `poco_decoders::chain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::chain(bytes));
