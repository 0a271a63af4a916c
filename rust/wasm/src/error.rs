//! The engine's errors as JavaScript's.

use recgrela::Error;
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
    match error {
        Error::Header(_)
        | Error::Metadata { .. }
        | Error::Config(_)
        | Error::MissingTensor(_)
        | Error::UnexpectedTensor(_)
        | Error::Dtype { .. }
        | Error::Shape { .. }
        | Error::Value { .. }
        | Error::FingerprintMismatch { .. }
        | Error::SelfTest { .. } => "invalid-model",
        Error::NoEvents => "no-events",
        Error::UndoDepth { .. } => "undo-depth",
        Error::UndoMemory { .. } => "out-of-memory",
        Error::NoLog | Error::IncompleteLog { .. } => "no-log",
        Error::SnapshotModel { .. } | Error::AddedItems { .. } => "foreign-snapshot",
        Error::SnapshotMagic
        | Error::SnapshotVersion { .. }
        | Error::SnapshotSize { .. }
        | Error::SnapshotChecksum
        | Error::SnapshotValue { .. } => "invalid-snapshot",
        // What nothing here can cause: files of its own, fleets, overlays.
        _ => "internal",
    }
}
