//! See `poco_decoders::worker_messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| poco_decoders::worker_messages(bytes));
