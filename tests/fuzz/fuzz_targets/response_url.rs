#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| failopen_fuzz::response_url::check(bytes));
