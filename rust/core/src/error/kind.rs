//! Categories of errors, for the bindings and for callers.

use super::Cause;

/// The category of an [`Error`](crate::Error). The message has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    Io,
    /// The bytes are not a model, or are damaged.
    Model,
    /// The requested instruction set is unavailable or disagrees with portable code.
    Isa,
    /// An item index is out of range.
    Item,
    /// The kind of an event is missing, or is not one of the model's.
    Kind,
    /// The time of an event is missing, or the model does not use times.
    Time,
    /// There is no event yet, and no start vector, so there are no scores.
    NoEvents,
    /// The length of an argument is invalid.
    Argument,
    /// More events were to be undone than are kept.
    Undo,
    /// The memory cannot be allocated.
    OutOfMemory,
    /// The log is missing, incomplete or invalid.
    Log,
    /// The bytes are not a snapshot, or are damaged.
    Snapshot,
    /// A snapshot, fleet, overlay or groups belong to another model.
    OtherModel,
    /// A change to the catalogue is invalid, or added items are missing.
    Overlay,
    /// Lists of a fleet's users, or its file, are invalid.
    Fleet,
    /// A user's id is an integer where the fleet has strings, or the other way round.
    UserKind,
    /// An earlier call panicked, so the object may be half changed.
    Panicked,
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
            Self::UnknownKind { .. } | Self::MissingKind { .. } | Self::KindWithoutKinds { .. } => {
                ErrorKind::Kind
            }
            Self::MissingTime | Self::TimeWithoutGaps { .. } => ErrorKind::Time,
            Self::NoEvents | Self::UsersWithoutEvents { .. } => ErrorKind::NoEvents,
            Self::BufferLength { .. } | Self::GroupsLength { .. } | Self::DenyLengths { .. } => {
                ErrorKind::Argument
            }
            Self::UndoDepth { .. } => ErrorKind::Undo,
            Self::UndoMemory { .. } | Self::FleetMemory { .. } => ErrorKind::OutOfMemory,
            Self::OtherModel { .. } | Self::FleetOfOtherModel { .. } => ErrorKind::OtherModel,
            Self::NoLog
            | Self::IncompleteLog { .. }
            | Self::IncompleteLogs { .. }
            | Self::MigrationLog { .. } => ErrorKind::Log,
            Self::SnapshotMagic | Self::SnapshotChecksum | Self::Snapshot { .. } => {
                ErrorKind::Snapshot
            }
            Self::Overlay { .. } | Self::OverlayOrder { .. } | Self::AddedItems { .. } => {
                ErrorKind::Overlay
            }
            Self::UserKind { .. } => ErrorKind::UserKind,
            Self::FleetPoisoned => ErrorKind::Panicked,
            Self::FleetLengths { .. }
            | Self::FleetOverflow { .. }
            | Self::FleetUnsaved
            | Self::FleetChanged { .. }
            | Self::FleetFile { .. }
            | Self::FleetMagic
            | Self::FleetChecksum => ErrorKind::Fleet,
        }
    }
}
