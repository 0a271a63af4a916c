//! Status codes, and the conversion of results to them.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::ErrorKind;

/// The status of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum recgrela_status {
    /// Success.
    Ok = 0,
    /// An invalid argument: a null pointer, text that is not UTF-8, an impossible size, an event
    /// without the kind or the time that the model needs, or with one that it does not take.
    InvalidArgument = 1,
    /// An invalid handle: null, freed or unknown.
    InvalidHandle = 2,
    /// A buffer is too small. Only the required size was written.
    BufferTooSmall = 3,
    /// The file could not be read.
    Io = 4,
    /// The bytes are not a valid model.
    Model = 5,
    /// The bytes are not a valid snapshot of this model.
    Snapshot = 6,
    /// No item has this id or index.
    UnknownItem = 7,
    /// The session has no events yet and the model has no start vector, so it cannot score.
    NoEvents = 8,
    /// Fewer events are undoable than requested.
    Undo = 9,
    /// The log does not have all events that forgetting and reasons need, or the log to migrate does not
    /// match the snapshot.
    Log = 10,
    /// A bug in the library. Free the handle; the process can continue.
    Internal = 11,
    /// The bytes are not a valid overlay of this model, or a change of the catalogue is invalid.
    Overlay = 12,
}

/// Size of a message in bytes, including the terminating zero.
pub const RECGRELA_MESSAGE_SIZE: usize = 512;

/// Why a call failed. A successful call does not write it.
#[repr(C)]
pub struct recgrela_error {
    /// The status that the call returned.
    pub status: recgrela_status,
    /// What was found and what was expected: UTF-8, zero-terminated, truncated if too long.
    pub message: [c_char; RECGRELA_MESSAGE_SIZE],
}

/// Why a call failed, before it is written to the caller's memory.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: recgrela_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: recgrela_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// For a change of the catalogue, or the bytes of one.
    pub(crate) fn of_overlay(error: engine::Error) -> Self {
        match error.kind() {
            ErrorKind::Model | ErrorKind::OtherModel | ErrorKind::Overlay => {
                Self::new(recgrela_status::Overlay, error.to_string())
            }
            _ => error.into(),
        }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(recgrela_status::InvalidArgument, message)
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Io => recgrela_status::Io,
            ErrorKind::Model => recgrela_status::Model,
            // A snapshot may need the items that an overlay adds.
            ErrorKind::Snapshot | ErrorKind::OtherModel | ErrorKind::Overlay => {
                recgrela_status::Snapshot
            }
            ErrorKind::Item => recgrela_status::UnknownItem,
            ErrorKind::NoEvents => recgrela_status::NoEvents,
            ErrorKind::Undo | ErrorKind::OutOfMemory => recgrela_status::Undo,
            ErrorKind::Log => recgrela_status::Log,
            _ => recgrela_status::InvalidArgument,
        };
        Self::new(status, error.to_string())
    }
}

/// Runs the body of a function; turns a failure or a panic into a status and a message.
pub(crate) fn guard(
    error: *mut recgrela_error,
    call: impl FnOnce() -> Result<(), Failure>,
) -> recgrela_status {
    let failure = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => return recgrela_status::Ok,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(recgrela_status::Internal, "a bug in recgrela; please report it"),
    };
    if !error.is_null() && error.is_aligned() {
        // SAFETY: the header requires null or a valid pointer.
        unsafe { error.write(explain(&failure)) };
    }
    failure.status
}

fn explain(failure: &Failure) -> recgrela_error {
    let text = &failure.message;
    let mut end = text.len().min(RECGRELA_MESSAGE_SIZE - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut message = [0; RECGRELA_MESSAGE_SIZE];
    for (to, byte) in message.iter_mut().zip(text[..end].bytes()) {
        *to = byte as c_char;
    }
    recgrela_error { status: failure.status, message }
}
