//! What every fallible operation returns.

mod cause;
mod kind;

use std::fmt;
use std::io;
use std::path::Path;

pub(crate) use cause::Cause;
pub use kind::ErrorKind;

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file, a snapshot or a request was refused: an [`ErrorKind`] for a program, a message for a
/// reader. What a message quotes of a file is escaped, so it stays on its line.
///
/// Where the operating system refused, [`source`](std::error::Error::source) is its [`std::io::Error`].
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Cause>);

impl Error {
    /// What the error is about.
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
    /// Of the operating system's error, the one that a file could not be read.
    pub(crate) fn reading(path: &Path) -> impl Fn(io::Error) -> Error {
        |source| Self::Read { path: path.to_owned(), source }.into()
    }
}

/// The message: it names everything that is inside.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
