//! The engine in WebAssembly: converts, calls, maps errors. The JavaScript beside it, in `js`, is
//! what the npm package shows; it calls nothing here with a value of another type than stated.

mod convert;
mod error;
mod model;
mod session;

use wasm_bindgen::prelude::*;

/// Once, when a module starts: what a panic says is kept for the error that follows it.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| error::panicked(&panic.to_string())));
}
