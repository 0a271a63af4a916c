//! Maps the engine's errors to exceptions by kind.

use recgrela::{Error, ErrorKind};

pub(crate) type Result<T> = std::result::Result<T, RecgrelaError>;

/// Why a call failed. The message says what was found and what was expected. The session is
/// unchanged.
#[derive(Debug, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
pub enum RecgrelaError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
    /// The bytes are not a valid model, or the model fails its self-test on this device.
    #[error("{0}")]
    InvalidModel(String),
    /// The instruction set requested by the environment is not available, or one computes other
    /// results than portable code.
    #[error("{0}")]
    InstructionSet(String),
    /// The model has no such item.
    #[error("{0}")]
    UnknownItem(String),
    /// The session has no events yet and the model has no start vector, so it cannot score.
    #[error("{0}")]
    NoEvents(String),
    /// A number is out of range, or an event lacks the kind or the time that the model needs, or has one
    /// that it does not have. The message lists the model's kinds.
    #[error("{0}")]
    InvalidArgument(String),
    /// Fewer events are undoable than requested, or the undo buffer is too large to allocate.
    #[error("{0}")]
    NotUndoable(String),
    /// The log does not have all events that `forget`, `why` or migration needs, or does not match the
    /// snapshot to migrate.
    #[error("{0}")]
    IncompleteLog(String),
    /// The bytes are not a valid snapshot of a session on this model.
    #[error("{0}")]
    InvalidSnapshot(String),
    /// The bytes are not a valid overlay of this model, or a change of the catalogue is invalid.
    #[error("{0}")]
    InvalidOverlay(String),
    /// A bug in the library.
    #[error("{0}")]
    Internal(String),
}

impl RecgrelaError {
    /// For a change of the catalogue, or the bytes of one.
    pub(crate) fn of_overlay(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Model | ErrorKind::OtherModel | ErrorKind::Overlay => {
                Self::InvalidOverlay(error.to_string())
            }
            _ => error.into(),
        }
    }
}

impl From<Error> for RecgrelaError {
    fn from(error: Error) -> Self {
        let exception = match error.kind() {
            ErrorKind::Io => Self::Io,
            ErrorKind::Model => Self::InvalidModel,
            ErrorKind::Isa => Self::InstructionSet,
            ErrorKind::Item => Self::UnknownItem,
            ErrorKind::NoEvents => Self::NoEvents,
            ErrorKind::Argument | ErrorKind::Kind | ErrorKind::Time => Self::InvalidArgument,
            ErrorKind::Undo | ErrorKind::OutOfMemory => Self::NotUndoable,
            ErrorKind::Log => Self::IncompleteLog,
            // A snapshot may need the items that an overlay adds.
            ErrorKind::Snapshot | ErrorKind::OtherModel | ErrorKind::Overlay => {
                Self::InvalidSnapshot
            }
            _ => Self::Internal,
        };
        exception(error.to_string())
    }
}
