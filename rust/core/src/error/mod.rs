//! The error type of every fallible operation.

mod cause;
mod kind;

use std::fmt;
use std::io;
use std::path::Path;

pub(crate) use cause::Cause;
pub use kind::ErrorKind;

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error: an [`ErrorKind`] for programs and a message for readers. Text quoted from a file is
/// escaped, so a message stays on one line.
///
/// For errors of the operating system, [`source`](std::error::Error::source) is the
/// [`std::io::Error`].
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Cause>);

impl Error {
    /// The category of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// The file that could not be read or written.
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Cause::Read { path, .. } | Cause::Write { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl From<Cause> for Error {
    #[cold]
    fn from(cause: Cause) -> Self {
        Self(Box::new(cause))
    }
}

impl Cause {
    pub(crate) fn reading(path: &Path) -> impl Fn(io::Error) -> Error {
        |source| Self::Read { path: path.to_owned(), source }.into()
    }

    pub(crate) fn writing(path: &Path) -> impl Fn(io::Error) -> Error {
        |source| Self::Write { path: path.to_owned(), source }.into()
    }
}

/// Shows the message, which includes every detail.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
