//! Generates a build's JavaScript: `recgrela-wasm-bindgen build.wasm folder name`.

use std::env::args_os;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = args_os().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("{what} is missing"));
    let (wasm, folder, name) = (next("a .wasm file")?, next("a folder")?, next("a name")?);
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        // The wrapper (rust/wasm/js) provides the compiled module and the types.
        .omit_default_module_path(true)
        .typescript(false)
        // Allows a module to be discarded after a trap.
        .reset_state_function(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name(&name.to_string_lossy())
        .generate(folder)
}
