//! See `poco_decoders::scheduler_messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::scheduler_messages(bytes));
