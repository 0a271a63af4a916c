//! The engine's errors as JavaScript's.

use recgrela::{Error, ErrorKind};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./shared.js")]
extern "C" {
    /// `RecgrelaError` of the npm package.
    pub type RecgrelaError;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(code: &str, message: &str) -> RecgrelaError;

    /// Takes what a panic says.
    pub(crate) fn panicked(message: &str);
}

/// The result of a call from JavaScript.
pub(crate) type Result<T> = std::result::Result<T, RecgrelaError>;

/// An error that is not the engine's.
pub(crate) fn invalid(message: &str) -> RecgrelaError {
    RecgrelaError::new("invalid-argument", message)
}

/// The JavaScript error for an error of the engine.
pub(crate) fn to_js(error: Error) -> RecgrelaError {
    RecgrelaError::new(code_of(&error), &error.to_string())
}

/// What a program can tell the error by; stable.
fn code_of(error: &Error) -> &'static str {
    match (error, error.kind()) {
        (Error::UndoMemory { .. }, _) => "out-of-memory",
        (Error::SnapshotModel { .. } | Error::AddedItems { .. }, _) => "foreign-snapshot",
        (_, ErrorKind::Model) => "invalid-model",
        (_, ErrorKind::NoEvents) => "no-events",
        (_, ErrorKind::Undo) => "undo-depth",
        (_, ErrorKind::Log) => "no-log",
        (_, ErrorKind::Snapshot) => "invalid-snapshot",
        // What nothing here can cause: files of its own, fleets, overlays.
        _ => "internal",
    }
}
