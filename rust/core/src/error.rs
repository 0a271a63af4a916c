//! Everything that can go wrong, in one place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{Fingerprint, Isa};

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file, a snapshot or a request was refused. What a message quotes of a file is escaped, so
/// it stays on its line.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened, mapped or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file: {}", OneLine(.0))]
    Header(String),
    /// An entry of the header's metadata is missing or malformed.
    #[error("metadata `{key}`: found {}, expected {expected}", OneLine(found))]
    Metadata {
        /// The entry's key.
        key: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// The architecture in `recgrela.config` cannot be read or is out of range.
    #[error("metadata `recgrela.config`: {}", OneLine(.0))]
    Config(String),
    /// A tensor that the config calls for is not in the file.
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    /// A tensor that the config does not call for is in the file.
    #[error("tensor `{}` is unknown: this config does not call for it", OneLine(.0))]
    UnexpectedTensor(String),
    /// A tensor has the wrong element type.
    #[error("tensor `{name}`: found dtype {found}, expected {expected}")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
        /// The element type of the format.
        expected: &'static str,
    },
    /// A tensor has the wrong shape.
    #[error("tensor `{name}`: found shape {}, expected {expected}", Dimensions(found))]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the config calls for.
        expected: String,
    },
    /// A tensor holds a value that the format forbids.
    #[error("tensor `{name}`, element {index}: found {found}, expected {expected}")]
    Value {
        /// The tensor.
        name: String,
        /// The element, counted from the start of the tensor.
        index: usize,
        /// Its value.
        found: String,
        /// What the format allows.
        expected: &'static str,
    },
    /// The instruction set asked for does not exist or does not run on this CPU.
    #[error("instruction set: found `{found}`, expected one of those available here: {available}")]
    Isa {
        /// What was asked for.
        found: String,
        /// What there is, the best first.
        available: String,
    },
    /// An instruction set that was forced, or compared, gives other bits than portable code on this
    /// machine.
    #[error("instruction set: `{isa}` gives other bits than portable code here: {what}")]
    IsaDisagrees {
        /// The instruction set.
        isa: Isa,
        /// Where, and how it shows.
        what: String,
    },
    /// The tensors are not those that the fingerprint was taken of.
    #[error("fingerprint of the tensors: found {found}, expected {expected}")]
    FingerprintMismatch {
        /// The fingerprint of what the file holds.
        found: Fingerprint,
        /// The fingerprint that the file states.
        expected: Fingerprint,
    },
    /// A self-test score came out differently.
    #[error("self-test sequence {sequence}, item {item}: found score {found}, expected {expected}")]
    SelfTest {
        /// The sequence.
        sequence: usize,
        /// The item index that was scored.
        item: u32,
        /// The score computed here.
        found: f32,
        /// The score in the file.
        expected: f32,
    },
    /// A session was asked to score before it had seen anything.
    #[error("the session has no events: append at least one item before scoring")]
    NoEvents,
    /// An item index is past the catalogue.
    #[error("item index: found {found}, expected less than {num_items}")]
    ItemOutOfRange {
        /// The item index.
        found: u32,
        /// The number of items in the model.
        num_items: usize,
    },
    /// A buffer for scores does not fit the list of items.
    #[error("buffer of scores: found length {found}, expected {expected}")]
    BufferLength {
        /// The buffer's length.
        found: usize,
        /// The number of items to score.
        expected: usize,
    },
    /// More events were to be undone than checkpoints are kept.
    #[error(
        "undo: found {found} events that can be undone, expected {expected}: keep_undo keeps more"
    )]
    UndoDepth {
        /// The events that can be undone.
        found: usize,
        /// The events to be undone.
        expected: usize,
    },
    /// There is no memory for as many checkpoints.
    #[error("undo: found no memory for {depth} checkpoints, expected a smaller depth")]
    UndoMemory {
        /// The checkpoints to be kept.
        depth: usize,
    },
    /// A session that keeps no log was asked to forget.
    #[error(
        "forget: found no log of the events, expected one: call keep_log before the first event"
    )]
    NoLog,
    /// The log does not hold every event.
    #[error(
        "forget: found a log of the last {found} events, expected all {expected}: call keep_log \
         before the first event and with enough capacity"
    )]
    IncompleteLog {
        /// The events in the log.
        found: usize,
        /// The events of the session.
        expected: u64,
    },
    /// The log given for a migration is not that of the snapshot.
    #[error("log to migrate: found {found}, expected {expected}")]
    MigrationLog {
        /// What the log has.
        found: String,
        /// What the snapshot calls for.
        expected: String,
    },
    /// A user of a fleet was asked about before it had seen anything.
    #[error("user {user} has no events: append at least one item before scoring")]
    UserWithoutEvents {
        /// The user.
        user: u32,
    },
    /// A user is past the fleet's capacity.
    #[error("user: found {found}, expected less than the capacity, {capacity}")]
    UserOutOfRange {
        /// The user.
        found: u32,
        /// The number of users in the fleet.
        capacity: u32,
    },
    /// The lists of users and of items do not belong together.
    #[error("items to append: found {items}, expected {users}, one for each user")]
    FleetLengths {
        /// Length of the list of users.
        users: usize,
        /// Length of the list of items.
        items: usize,
    },
    /// There is no memory for so many users.
    #[error(
        "a fleet of {capacity} users: {bytes} bytes are not to be had, choose a smaller capacity"
    )]
    FleetMemory {
        /// The capacity asked for.
        capacity: u32,
        /// What the states take.
        bytes: u128,
    },
    /// The session or the fleet's file belongs to another model.
    #[error("fleet: found model {found}, expected {expected}")]
    FleetModel {
        /// The fingerprint of the session's model or in the file.
        found: Fingerprint,
        /// The fingerprint of the fleet's model.
        expected: Fingerprint,
    },
    /// A fleet's state overflowed, so that its file would be refused.
    #[error("the state of user {user} is not finite: reset the user, and verify the model")]
    FleetOverflow {
        /// The user.
        user: u32,
    },
    /// The file is not one that a fleet wrote, or it does not fit the model or the capacity.
    #[error("fleet file: found {found}, expected {expected}")]
    FleetFile {
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// The fleet's file was damaged.
    #[error("fleet file: the checksum does not match, it was damaged")]
    FleetChecksum,
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The groups are not one number an item.
    #[error("groups: found {found} numbers, expected {expected}, one for each item")]
    GroupsLength {
        /// The numbers given.
        found: usize,
        /// The number of items, with or without those added.
        expected: String,
    },
    /// The groups were made for another model.
    #[error("groups: found those of model {found}, expected {expected}")]
    GroupsModel {
        /// The fingerprint of the model that they were made for.
        found: Fingerprint,
        /// The fingerprint of the session's model.
        expected: Fingerprint,
    },
    /// What an overlay was to hold is not possible.
    #[error("overlay: found {}, expected {expected}", OneLine(found))]
    Overlay {
        /// What was found.
        found: String,
        /// What is possible.
        expected: String,
    },
    /// The overlay is of another model.
    #[error("overlay: found one of model {found}, expected {expected}")]
    OverlayModel {
        /// The fingerprint of the overlay's model.
        found: Fingerprint,
        /// The fingerprint of this model.
        expected: Fingerprint,
    },
    /// The overlay does not have the items that the active one added.
    #[error(
        "overlay: found other added items, expected the {added} of the active overlay first and in \
         their order: sessions may hold them, so change a copy of the active overlay"
    )]
    OverlayOrder {
        /// How many items the active overlay added.
        added: usize,
    },
    /// A history holds items that an overlay added, and the active overlay is not one that continues
    /// it.
    #[error(
        "added items: found {found} in the active overlay, expected the {expected} of the history, in \
         their order: make that overlay, or one that continues it, active first"
    )]
    AddedItems {
        /// How many items the active overlay added; they may be other ones.
        found: usize,
        /// How many added items the history relies on.
        expected: usize,
    },
    /// The snapshot does not begin as a snapshot does.
    #[error("snapshot: found another beginning, expected the magic `RGRLSESS`")]
    SnapshotMagic,
    /// The snapshot's version is not one that this crate reads.
    #[error("snapshot: found version {found}, expected {expected}")]
    SnapshotVersion {
        /// The snapshot's version.
        found: u32,
        /// The version that this crate writes.
        expected: u32,
    },
    /// The snapshot was taken of a session on another model.
    #[error("snapshot: found model {found}, expected {expected}")]
    SnapshotModel {
        /// The fingerprint in the snapshot.
        found: Fingerprint,
        /// The fingerprint of the session's model.
        expected: Fingerprint,
    },
    /// A size in the snapshot, or the snapshot's own, is wrong.
    #[error("snapshot: found {found} {what}, expected {expected}")]
    SnapshotSize {
        /// What was counted.
        what: &'static str,
        /// The count found.
        found: u64,
        /// The count that the model or the header calls for.
        expected: String,
    },
    /// The snapshot was damaged.
    #[error("snapshot: the checksum does not match, it was damaged or cut")]
    SnapshotChecksum,
    /// The snapshot holds a value that no session has.
    #[error("snapshot: found {found}, expected {expected}")]
    SnapshotValue {
        /// The value and where it is.
        found: String,
        /// What is allowed there.
        expected: &'static str,
    },
}

/// The message: it names everything that is inside, and a derived one adds 10 KB to the library.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text out of an untrusted file: control characters, which could fake lines or drive a terminal,
/// are escaped, and what is long is cut.
struct OneLine<'a>(&'a str);

impl OneLine<'_> {
    const LONGEST: usize = 300;
}

/// A shape out of an untrusted file, which may have any number of dimensions.
struct Dimensions<'a>(&'a [usize]);

impl fmt::Display for Dimensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [.., _, _, _, _, _] => write!(f, "{} dimensions", self.0.len()),
            few => write!(f, "{few:?}"),
        }
    }
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(Self::LONGEST).try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })?;
        if self.0.chars().nth(Self::LONGEST).is_some() { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn names_out_of_a_file_stay_on_the_line() {
        let message = Error::UnexpectedTensor("a\n\u{1b}[31mb".to_owned()).to_string();
        let long = Error::UnexpectedTensor("x".repeat(1000)).to_string();
        assert!(long.contains("xxx...` is unknown") && long.len() < 400, "{long}");
        assert!(message.starts_with("tensor `a\\n\\u{1b}[31mb` is unknown"), "{message}");
    }
}
