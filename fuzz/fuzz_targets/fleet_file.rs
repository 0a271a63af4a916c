//! `recgrela_fuzz::fleet_file` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| recgrela_fuzz::fleet_file(data));
