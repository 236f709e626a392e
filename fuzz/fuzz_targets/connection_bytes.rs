#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raddle_fuzz::connection_bytes::run(data));
