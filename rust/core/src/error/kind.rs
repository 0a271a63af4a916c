//! What an error is about, for those who act on errors: the bindings, and callers of theirs.

use super::Cause;

/// What an [`Error`](crate::Error) is about. The message says the rest.
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
    /// What was asked for takes more memory than there is.
    OutOfMemory,
    /// The log that forgetting or migrating needs.
    Log,
    /// The bytes are not a snapshot, or a damaged one.
    Snapshot,
    /// A snapshot, a fleet, an overlay or groups of another model.
    OtherModel,
    /// Changes to a catalogue that are not possible, or missing.
    Overlay,
    /// A fleet, its users or its file.
    Fleet,
}

impl Cause {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::Write { .. } => ErrorKind::Io,
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
            Self::NoEvents | Self::UsersWithoutEvents(_) => ErrorKind::NoEvents,
            Self::BufferLength { .. } | Self::GroupsLength { .. } => ErrorKind::Argument,
            Self::UndoDepth { .. } => ErrorKind::Undo,
            Self::UndoMemory { .. } | Self::FleetMemory { .. } => ErrorKind::OutOfMemory,
            Self::SnapshotModel { .. }
            | Self::FleetModel { .. }
            | Self::OverlayModel { .. }
            | Self::GroupsModel { .. } => ErrorKind::OtherModel,
            Self::NoLog | Self::IncompleteLog { .. } | Self::MigrationLog { .. } => ErrorKind::Log,
            Self::SnapshotMagic
            | Self::SnapshotVersion { .. }
            | Self::SnapshotSize { .. }
            | Self::SnapshotChecksum
            | Self::SnapshotValue { .. } => ErrorKind::Snapshot,
            Self::Overlay { .. } | Self::OverlayOrder { .. } | Self::AddedItems { .. } => {
                ErrorKind::Overlay
            }
            Self::UserOutOfRange { .. }
            | Self::FleetLengths { .. }
            | Self::FleetOverflow { .. }
            | Self::FleetFile { .. }
            | Self::FleetChecksum => ErrorKind::Fleet,
        }
    }
}
