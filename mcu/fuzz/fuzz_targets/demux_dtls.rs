#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzz::demux_dtls(data));
