//! Statuses, and the one way from a result to them.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::ErrorKind;

/// What became of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum recgrela_status {
    /// It worked.
    Ok = 0,
    /// An argument: a null pointer, text that is not UTF-8, a size that cannot be.
    InvalidArgument = 1,
    /// A handle: none, freed, or never handed out.
    InvalidHandle = 2,
    /// A buffer is too small. How large it has to be was written to the size; nothing else was.
    BufferTooSmall = 3,
    /// A file could not be read.
    Io = 4,
    /// The bytes are not a model, or a damaged one.
    Model = 5,
    /// The bytes are not a snapshot of this model, or a damaged one.
    Snapshot = 6,
    /// No item has this id or index.
    UnknownItem = 7,
    /// The session has no events yet, so there is nothing to score after.
    NoEvents = 8,
    /// More is to be undone than is kept.
    Undo = 9,
    /// The log that forgetting needs was not kept, or not long enough.
    Log = 10,
    /// A fault inside the library. Free the handle; the process is sound.
    Internal = 11,
}

/// Bytes of a message, the final zero among them.
pub const RECGRELA_MESSAGE_SIZE: usize = 512;

/// Why a call failed. Not touched by a call that worked.
#[repr(C)]
pub struct recgrela_error {
    /// What the call returned.
    pub status: recgrela_status,
    /// What was found and what was expected: UTF-8, zero-terminated, cut where it is too long.
    pub message: [c_char; RECGRELA_MESSAGE_SIZE],
}

/// Why a call failed, on this side.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: recgrela_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: recgrela_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
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
            // Of overlays and other models, only a snapshot gets here.
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

/// Runs what a function does; a failure, or a panic, becomes its status and its message.
pub(crate) fn guard(
    error: *mut recgrela_error,
    call: impl FnOnce() -> Result<(), Failure>,
) -> recgrela_status {
    let failure = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => return recgrela_status::Ok,
        Ok(Err(failure)) => failure,
        Err(_) => {
            Failure::new(recgrela_status::Internal, "a fault inside recgrela; please report it")
        }
    };
    if !error.is_null() && error.is_aligned() {
        // SAFETY: the header asks for null or a valid pointer.
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
