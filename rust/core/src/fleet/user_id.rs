//! A user's id.

use std::fmt;
use std::sync::Arc;

/// A user's id, as the caller's data spells it. A fleet's ids are all integers or all strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserId<'a> {
    /// An integer.
    Int(i64),
    /// A string.
    Str(&'a str),
}

impl UserId<'_> {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Str(_) => "a string",
        }
    }
}

/// Quotes a string and escapes its control characters, as error messages need it.
impl fmt::Display for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(id) => fmt::Display::fmt(id, f),
            Self::Str(id) => fmt::Debug::fmt(id, f),
        }
    }
}

impl From<i64> for UserId<'_> {
    fn from(id: i64) -> Self {
        Self::Int(id)
    }
}

impl From<i32> for UserId<'_> {
    fn from(id: i32) -> Self {
        Self::Int(id.into())
    }
}

impl From<u32> for UserId<'_> {
    fn from(id: u32) -> Self {
        Self::Int(id.into())
    }
}

impl<'a> From<&'a str> for UserId<'a> {
    fn from(id: &'a str) -> Self {
        Self::Str(id)
    }
}

/// A [`UserId`] that owns its string, which clones share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnedUserId {
    /// An integer.
    Int(i64),
    /// A string.
    Str(Arc<str>),
}

impl From<UserId<'_>> for OwnedUserId {
    fn from(id: UserId<'_>) -> Self {
        match id {
            UserId::Int(id) => Self::Int(id),
            UserId::Str(id) => Self::Str(id.into()),
        }
    }
}

impl<'a> From<&'a OwnedUserId> for UserId<'a> {
    fn from(id: &'a OwnedUserId) -> Self {
        match id {
            OwnedUserId::Int(id) => Self::Int(*id),
            OwnedUserId::Str(id) => Self::Str(id),
        }
    }
}
