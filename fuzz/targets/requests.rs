//! See `poco_decoders::requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::requests(bytes));
