//! `recgrela_fuzz::api_calls` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| recgrela_fuzz::api_calls(data));
