//! What an error is about, for those who act on errors: the bindings, and callers of theirs.

use crate::Error;

/// What an [`Error`] is about. The message says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    Io,
    /// The bytes are not a model, or a damaged one.
    Model,
    /// The instruction set that was asked for.
    Isa,
    /// An item that the catalogue does not have.
    Item,
    /// There is no event yet to score after.
    NoEvents,
    /// Sizes or lists that do not fit what they are for.
    Argument,
    /// More is to be undone than is kept.
    Undo,
    /// The log that forgetting or migrating needs.
    Log,
    /// The bytes are not a snapshot of this model, or a damaged one.
    Snapshot,
    /// Changes to a catalogue that are not possible, or of another model.
    Overlay,
    /// A fleet, its users or its file.
    Fleet,
}

impl Error {
    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Write { .. } => ErrorKind::Io,
            Self::Header(_)
            | Self::Metadata { .. }
            | Self::Config(_)
            | Self::MissingTensor(_)
            | Self::UnexpectedTensor(_)
            | Self::Dtype { .. }
            | Self::Shape { .. }
            | Self::Value { .. }
            | Self::FingerprintMismatch { .. }
            | Self::SelfTest { .. } => ErrorKind::Model,
            Self::Isa { .. } | Self::IsaDisagrees { .. } => ErrorKind::Isa,
            Self::ItemOutOfRange { .. } => ErrorKind::Item,
            Self::NoEvents | Self::UserWithoutEvents { .. } => ErrorKind::NoEvents,
            Self::BufferLength { .. } | Self::GroupsLength { .. } | Self::GroupsModel { .. } => {
                ErrorKind::Argument
            }
            Self::UndoDepth { .. } | Self::UndoMemory { .. } => ErrorKind::Undo,
            Self::NoLog | Self::IncompleteLog { .. } | Self::MigrationLog { .. } => ErrorKind::Log,
            Self::SnapshotMagic
            | Self::SnapshotVersion { .. }
            | Self::SnapshotModel { .. }
            | Self::SnapshotSize { .. }
            | Self::SnapshotChecksum
            | Self::SnapshotValue { .. } => ErrorKind::Snapshot,
            Self::Overlay { .. }
            | Self::OverlayModel { .. }
            | Self::OverlayOrder { .. }
            | Self::AddedItems { .. } => ErrorKind::Overlay,
            Self::UserOutOfRange { .. }
            | Self::FleetLengths { .. }
            | Self::FleetMemory { .. }
            | Self::FleetModel { .. }
            | Self::FleetOverflow { .. }
            | Self::FleetFile { .. }
            | Self::FleetChecksum => ErrorKind::Fleet,
        }
    }
}
