#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mailtls_fuzz::smtp_reply(bytes));
