//! Maps the engine's errors to JavaScript's.

use recgrela::{Error, ErrorKind};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./shared.js")]
extern "C" {
    /// `RecgrelaError` of the npm package.
    pub type RecgrelaError;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(code: &str, message: &str) -> RecgrelaError;

    /// Stores the message of a panic.
    pub(crate) fn panicked(message: &str);
}

/// The result of a call from JavaScript.
pub(crate) type Result<T> = std::result::Result<T, RecgrelaError>;

/// An error of this binding, not the engine's.
pub(crate) fn invalid(message: &str) -> RecgrelaError {
    RecgrelaError::new("invalid-argument", message)
}

/// The JavaScript error for an error of the engine.
pub(crate) fn to_js(error: Error) -> RecgrelaError {
    RecgrelaError::new(code_of(&error), &error.to_string())
}

/// The same for a change of the catalogue or the bytes of one.
pub(crate) fn of_overlay(error: Error) -> RecgrelaError {
    let code = match error.kind() {
        ErrorKind::Model | ErrorKind::OtherModel | ErrorKind::Overlay => "invalid-overlay",
        _ => code_of(&error),
    };
    RecgrelaError::new(code, &error.to_string())
}

/// A stable code for the error.
fn code_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Model => "invalid-model",
        ErrorKind::Kind | ErrorKind::Time | ErrorKind::Argument => "invalid-argument",
        ErrorKind::NoEvents => "no-events",
        ErrorKind::Undo => "undo-depth",
        ErrorKind::OutOfMemory => "out-of-memory",
        ErrorKind::Log => "no-log",
        ErrorKind::Snapshot => "invalid-snapshot",
        // A snapshot may need the items that an overlay adds.
        ErrorKind::OtherModel | ErrorKind::Overlay => "foreign-snapshot",
        // Not reachable here: files and fleets.
        _ => "internal",
    }
}
