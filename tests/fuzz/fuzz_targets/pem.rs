#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mailtls_fuzz::pem(bytes));
