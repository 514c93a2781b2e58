#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ferrite_fuzz::targets::run("trace", input));
