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
    /// The instruction set requested by the environment is not available.
    #[error("{0}")]
    InstructionSet(String),
    /// The model has no such item.
    #[error("{0}")]
    UnknownItem(String),
    /// The session has no events yet and the model has no start vector, so it cannot score.
    #[error("{0}")]
    NoEvents(String),
    /// A number is out of range, or an event has no kind or one that the model does not have. The
    /// message lists the model's kinds.
    #[error("{0}")]
    InvalidArgument(String),
    /// Fewer events are undoable than requested, or the undo buffer is too large to allocate.
    #[error("{0}")]
    NotUndoable(String),
    /// The log does not have all events that `forget` or migration needs.
    #[error("{0}")]
    IncompleteLog(String),
    /// The bytes are not a valid snapshot of a session on this model.
    #[error("{0}")]
    InvalidSnapshot(String),
    /// A bug in the library.
    #[error("{0}")]
    Internal(String),
}

impl From<Error> for RecgrelaError {
    fn from(error: Error) -> Self {
        let exception = match error.kind() {
            ErrorKind::Io => Self::Io,
            ErrorKind::Model => Self::InvalidModel,
            ErrorKind::Isa => Self::InstructionSet,
            ErrorKind::Item => Self::UnknownItem,
            ErrorKind::NoEvents => Self::NoEvents,
            ErrorKind::Argument | ErrorKind::Kind => Self::InvalidArgument,
            ErrorKind::Undo | ErrorKind::OutOfMemory => Self::NotUndoable,
            ErrorKind::Log => Self::IncompleteLog,
            // Here only a snapshot can have the wrong overlay or model.
            ErrorKind::Snapshot | ErrorKind::OtherModel | ErrorKind::Overlay => {
                Self::InvalidSnapshot
            }
            _ => Self::Internal,
        };
        exception(error.to_string())
    }
}
