//! `recgrela_fuzz::overlay` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| recgrela_fuzz::overlay(data));
