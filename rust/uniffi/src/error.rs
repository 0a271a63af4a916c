//! The engine's errors by kind, as exceptions.

use recgrela::{Error, ErrorKind};

pub(crate) type Result<T> = std::result::Result<T, RecgrelaError>;

/// Why a call was refused. The message says what was found and what was expected; the session is as
/// it was before the call.
#[derive(Debug, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
pub enum RecgrelaError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
    /// The bytes are not a model, or a damaged one, or it computes something else here than where
    /// it was exported.
    #[error("{0}")]
    InvalidModel(String),
    /// The instruction set that the environment asks for cannot be used.
    #[error("{0}")]
    InstructionSet(String),
    /// The model has no such item.
    #[error("{0}")]
    UnknownItem(String),
    /// The session has no events to score after.
    #[error("{0}")]
    NoEvents(String),
    /// A number is out of range.
    #[error("{0}")]
    InvalidArgument(String),
    /// More is to be undone, or kept for it, than is possible.
    #[error("{0}")]
    NotUndoable(String),
    /// The log does not hold all that forgetting or migrating needs.
    #[error("{0}")]
    IncompleteLog(String),
    /// The bytes are not a snapshot of a session on this model, or a damaged one.
    #[error("{0}")]
    InvalidSnapshot(String),
    /// A defect of the library.
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
            ErrorKind::Argument => Self::InvalidArgument,
            ErrorKind::Undo | ErrorKind::OutOfMemory => Self::NotUndoable,
            ErrorKind::Log => Self::IncompleteLog,
            // Of overlays and other models, only a snapshot gets here.
            ErrorKind::Snapshot | ErrorKind::OtherModel | ErrorKind::Overlay => {
                Self::InvalidSnapshot
            }
            _ => Self::Internal,
        };
        exception(error.to_string())
    }
}
