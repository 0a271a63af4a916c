//! The WebAssembly binding: converts, calls the engine, maps errors. The JavaScript in `js` is the
//! npm package's public API; it passes only values of the declared types to this crate.

mod convert;
mod error;
mod event;
mod model;
mod session;

use wasm_bindgen::prelude::*;

/// Runs when the module starts: keeps the message of a panic for the error that follows it.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| error::panicked(&panic.to_string())));
}
