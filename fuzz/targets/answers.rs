//! See `poco_decoders::answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::answers(bytes));
