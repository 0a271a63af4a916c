//! Every error of the crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{Fingerprint, Isa};

/// The content of an [`Error`](crate::Error).
#[derive(thiserror::Error)]
pub(crate) enum Cause {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("not a safetensors file: {}", OneLine(.0))]
    Header(String),
    #[error("metadata `{key}`: found {}, expected {expected}", OneLine(found))]
    Metadata { key: &'static str, found: String, expected: &'static str },
    #[error("metadata `recgrela.config`: {}", OneLine(.0))]
    Config(String),
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    #[error("tensor `{}` is unknown: this config does not use it", OneLine(.0))]
    UnexpectedTensor(String),
    #[error("tensor `{name}`: found dtype {found}, expected {expected}")]
    Dtype { name: String, found: String, expected: &'static str },
    #[error("tensor `{name}`: found shape {}, expected {expected}", Dimensions(found))]
    Shape { name: String, found: Vec<usize>, expected: String },
    #[error("tensor `{name}`, element {index}: found {found}, expected {expected}")]
    Value { name: String, index: usize, found: String, expected: &'static str },
    #[error("instruction set: found `{found}`, expected one of those available here: {available}")]
    Isa { found: String, available: String },
    #[error("instruction set: `{isa}` disagrees with portable code here: {what}")]
    IsaDisagrees { isa: Isa, what: String },
    #[error("damaged: fingerprint of the tensors: found {found}, expected {expected}")]
    FingerprintMismatch { found: Fingerprint, expected: Fingerprint },
    #[error("{what}: found model {found}, expected {expected}")]
    OtherModel { what: &'static str, found: Fingerprint, expected: Fingerprint },
    #[error(
        "fleet file: found model {found}, expected {expected}: load it with its own model and \
         migrate its logs, or append the events again"
    )]
    FleetOfOtherModel { found: Fingerprint, expected: Fingerprint },
    #[error("self-test sequence {sequence}, item {item}: found score {found}, expected {expected}")]
    SelfTest { sequence: usize, item: u32, found: f32, expected: f32 },
    #[error(
        "the session has no events: append at least one item before scoring (the model has no start \
         vector; train it again to get one)"
    )]
    NoEvents,
    #[error("item index: found {found}, expected less than {num_items}")]
    ItemOutOfRange { found: u32, num_items: usize },
    #[error("kind of event: found {}, expected one of {}", OneLine(found), OneLine(known))]
    UnknownKind { found: String, known: String },
    #[error(
        "kind of event: found none, expected one of {}: pass the kind of each event",
        OneLine(known)
    )]
    MissingKind { known: String },
    #[error("kind of event: found {}, expected none: this model has no kinds", OneLine(found))]
    KindWithoutKinds { found: String },
    #[error(
        "time of the event: found none, expected whole seconds: this model uses the time between \
         events, so pass the time of each event"
    )]
    MissingTime,
    #[error("time of the event: found {found}, expected none: this model does not use times")]
    TimeWithoutGaps { found: i64 },
    #[error("buffer of scores: found length {found}, expected {expected}")]
    BufferLength { found: usize, expected: usize },
    #[error("undo: found {found} undoable events, expected {expected}: set a larger undo depth")]
    UndoDepth { found: usize, expected: usize },
    #[error("undo: cannot allocate {depth} checkpoints: choose a smaller depth")]
    UndoMemory { depth: usize },
    #[error("replay: found no log of the events, expected one: keep a log from the first event on")]
    NoLog,
    #[error(
        "replay: found a log of the last {found} events, expected all {expected}: keep a log \
         from the first event on, with enough capacity"
    )]
    IncompleteLog { found: usize, expected: u64 },
    #[error("migrate: {} logs of only a part of their events: append these users' events to a new \
             fleet, or remove them first", Users(first, *count))]
    IncompleteLogs { first: Vec<String>, count: usize },
    #[error("log to migrate: found {found}, expected {expected}")]
    MigrationLog { found: String, expected: String },
    #[error("{} no events: append at least one item before scoring, or skip such users (the model \
             has no start vector; train it again to get one)", Users(first, *count))]
    UsersWithoutEvents { first: Vec<String>, count: usize },
    #[error("user id {found}: found {kind}, expected {expected}, as the other users have")]
    UserKind { found: String, kind: &'static str, expected: &'static str },
    #[error("items to append: found {items}, expected {users}, one per user")]
    FleetLengths { users: usize, items: usize },
    #[error("lists of items to exclude: found {found}, expected {expected}, one per user")]
    DenyLengths { found: usize, expected: usize },
    #[error("fleet: cannot allocate memory for {users} users")]
    FleetMemory { users: usize },
    #[error("the state of user {user} is not finite: remove the user, and verify the model")]
    FleetOverflow { user: String },
    #[error(
        "save_changes: this fleet was neither saved to a file nor loaded from one: call save first"
    )]
    FleetUnsaved,
    #[error(
        "{}: found another file, or other changes, than this fleet saved or loaded last: call save, \
         which replaces it", path.display()
    )]
    FleetChanged { path: PathBuf },
    #[error("fleet: an earlier call panicked, so it may be half changed: load it again")]
    FleetPoisoned,
    #[error("fleet file: found {found}, expected {expected}")]
    FleetFile { found: String, expected: String },
    #[error("fleet file: does not start with the magic bytes `RGRLFLET`")]
    FleetMagic,
    #[error("fleet file: the checksum does not match, so the file is damaged")]
    FleetChecksum,
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("groups: found {found} numbers, expected {expected}, one per item")]
    GroupsLength { found: usize, expected: String },
    #[error("overlay: found {}, expected {expected}", OneLine(found))]
    Overlay { found: String, expected: String },
    #[error(
        "overlay: found other added items, expected the {added} of the active overlay first, in the \
         same order, because sessions may hold them: change a copy of the active overlay"
    )]
    OverlayOrder { added: usize },
    #[error(
        "added items: found {found} in the active overlay, expected the {expected} of the history, in \
         the same order: activate that overlay, or one that extends it, first"
    )]
    AddedItems { found: usize, expected: usize },
    #[error("snapshot: does not start with the magic bytes `RGRLSESS`")]
    SnapshotMagic,
    #[error("snapshot: the checksum does not match, so it is damaged or truncated")]
    SnapshotChecksum,
    #[error("snapshot: found {found}, expected {expected}")]
    Snapshot { found: String, expected: String },
}

/// Shows the message. A derived implementation adds 10 KB to the library.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text from an untrusted file. Escapes control characters, which could fake lines or drive a
/// terminal, and truncates long text.
struct OneLine<'a>(&'a str);

impl OneLine<'_> {
    const LONGEST: usize = 300;
}

/// The first of some users, the number of all, and their verb.
struct Users<'a>(&'a [String], usize);

impl fmt::Display for Users<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, count) = self;
        let names = first.join(", ");
        match count - first.len() {
            0 if *count == 1 => write!(f, "user {names} has"),
            0 => write!(f, "users {names} have"),
            more => write!(f, "users {names} and {more} more have"),
        }
    }
}

/// A shape from an untrusted file, which may have any number of dimensions.
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
    use super::Cause;

    #[test]
    fn names_out_of_a_file_stay_on_the_line() {
        let message = Cause::UnexpectedTensor("a\n\u{1b}[31mb".to_owned()).to_string();
        let long = Cause::UnexpectedTensor("x".repeat(1000)).to_string();
        assert!(long.contains("xxx...` is unknown") && long.len() < 400, "{long}");
        assert!(message.starts_with("tensor `a\\n\\u{1b}[31mb` is unknown"), "{message}");
    }
}
