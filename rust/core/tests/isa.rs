//! Which instruction set a model uses.

mod common;

#[cfg(not(target_family = "wasm"))]
use std::process::Command;

use common::{ModelFile, Shape};
use recgrela::{Isa, Model, ModelOptions};

/// The environment belongs to the process, so each value gets its own process, which runs only this
/// test. `RECGRELA_TEST_RUNNER` is the command prefix if tests run under an emulator.
#[cfg(not(target_family = "wasm"))] // has no processes
fn isa_with_environment(value: &str) -> String {
    let runner = std::env::var("RECGRELA_TEST_RUNNER").unwrap_or_default();
    let program = std::env::current_exe().unwrap();
    let mut words = runner.split_whitespace().map(Into::into).chain([program.into_os_string()]);
    let mut child = Command::new(words.next().unwrap());
    child.args(words);
    child.args(["--exact", "prints_the_isa", "--ignored", "--nocapture"]);
    let output = child.env("RECGRELA_ISA", value).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn prints_the_isa() {
    match Model::from_bytes(ModelFile::random(&Shape::TINY).to_bytes()) {
        Ok(model) => println!("[{}]", model.isa()),
        Err(error) => println!("[{error}]"),
    }
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn the_environment_chooses() {
    for isa in Isa::available() {
        assert!(isa_with_environment(isa.name()).contains(&format!("[{isa}]")));
    }
    let best = Isa::available().next().unwrap();
    assert!(isa_with_environment("").contains(&format!("[{best}]")), "empty is as good as unset");
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn an_unknown_name_is_an_error_that_lists_what_there_is() {
    for name in ["AVX2", "avx2 ", "sse9"] {
        let output = isa_with_environment(name);
        assert!(output.contains(&format!("found `RECGRELA_ISA={name}`")), "{output}");
        assert!(Isa::available().all(|isa| output.contains(isa.name())), "{output}");
    }
}

#[test]
fn the_argument_chooses() {
    let bytes = ModelFile::random(&Shape::TINY).to_bytes();
    for isa in Isa::available() {
        assert_eq!(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap().isa(), isa);
    }
}
