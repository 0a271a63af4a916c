//! `recgrela_fuzz::model_file` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| recgrela_fuzz::model_file(data));
