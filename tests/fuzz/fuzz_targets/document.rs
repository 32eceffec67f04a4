#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| failopen_fuzz::document::check(bytes));
