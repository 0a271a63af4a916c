//! Snapshots: refused without changing the session, or restored exactly as stored.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Filter, Model, Precision, Session, Snapshot};

use crate::checks::{NUMBERS, all_scores, answers, assert_ranked, logged, restorable, text};
use crate::edits::{CHECKSUM_BYTES, Splice, put, seal};
use crate::models;

/// Offsets of the fields in the layout of `docs/format.md`.
const VERSION_AT: usize = 8;
const PRECISION_AT: usize = 12;
const EVENTS_AT: usize = 24;
const SEEN_COUNT_AT: usize = 32;
const LOG_CAPACITY_AT: usize = 40;
const LOG_COUNT_AT: usize = 48;
/// Where the versions with times have that of the last event.
const LAST_TIME_AT: usize = 120;
const STATE_AT: usize = 120;

/// A snapshot of some history, the changes to it, and the session to restore. Items are chosen by
/// any number modulo their count.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    model: u8,
    stored: Vec<u8>,
    stored_log: u8,
    half: bool,
    edits: Vec<Edit<'a>>,
    /// Whether the checksum is recomputed.
    sealed: bool,
    before: Vec<u8>,
    before_log: u8,
    after: Vec<u8>,
    forgotten: u8,
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Precision(u8),
    Events(u64),
    /// The list of distinct items, and its count.
    Seen(Vec<u16>),
    /// The log, its count and its capacity.
    Log(Vec<u16>, u64),
    Number {
        offset: u16,
        number: u8,
    },
    Bytes {
        offset: u16,
        bytes: &'a [u8],
    },
    Splice(Splice<'a>),
}

/// The outcome: the error, or scores and snapshots.
type Outcome = Result<(Vec<u32>, Vec<Option<Vec<u8>>>), String>;

/// A snapshot is refused and leaves the session's bits unchanged, or it is restored. Then the
/// session gives the same snapshot again, continues with the same bits on every instruction set,
/// and keeps nothing of its previous contents.
pub fn snapshot(data: &[u8]) {
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let models = models::models(recipe.model);
    let precision = if recipe.half { Precision::F16 } else { Precision::F32 };
    let stored = played(&models[0], recipe.stored_log, &recipe.stored);
    let mut blob = stored.snapshot_with(precision);
    for edit in &recipe.edits {
        edit.apply(&mut blob);
    }
    if recipe.sealed {
        seal(&mut blob);
    }
    let outcomes: Vec<_> = models.iter().map(|model| restored(model, &recipe, &blob)).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
}

fn restored(model: &Arc<Model>, recipe: &Recipe<'_>, blob: &[u8]) -> Outcome {
    let mut fresh = Session::new(Arc::clone(model));
    let mut used = played(model, recipe.before_log, &recipe.before);
    let before = (used.snapshot(), all_scores(&used), used.undoable());
    if let Err(error) = used.restore(blob) {
        assert_eq!((used.snapshot(), all_scores(&used), used.undoable()), before, "{error}");
        assert!(fresh.restore(blob).is_err());
        return Err(text(&error));
    }
    fresh.restore(blob).expect("accepted by the other session");
    check_identical(&fresh, &used, blob);
    let forgotten = forgotten(&used, recipe.forgotten);
    append(&mut fresh, &recipe.after);
    append(&mut used, &recipe.after);
    let scores = all_scores(&used);
    assert_eq!(all_scores(&fresh), scores);
    if answers(&used) {
        assert_ranked(&used, 5, &Filter::unseen());
    }
    Ok((scores, vec![restorable(&used), restorable(&fresh), forgotten]))
}

/// Compares two sessions with the snapshot that both were restored from. The first keeps no log of
/// its own.
fn check_identical(fresh: &Session, used: &Session, blob: &[u8]) {
    let snapshot = Snapshot::from_bytes(blob).expect("it was restored");
    if snapshot.precision() == Precision::F32 {
        assert_eq!(fresh.snapshot(), blob);
    }
    let again = fresh.snapshot();
    let mut third = Session::new(Arc::clone(fresh.model()));
    third.restore(&again).expect("its own snapshot");
    assert_eq!(third.snapshot(), again);
    for session in [fresh, used] {
        assert_eq!(session.events(), snapshot.events());
        assert!(session.seen().iter().copied().eq(snapshot.seen()));
        assert_eq!(session.undoable(), 0);
        let kept = snapshot.log().len().min(session.log_capacity());
        assert!(session.log().eq(snapshot.log().skip(snapshot.log().len() - kept)));
        let (kinds, times) = (snapshot.log_kinds(), snapshot.log_times());
        let (all_kinds, all_times) = (kinds.len(), times.len());
        assert!(session.log_kinds().eq(kinds.skip(all_kinds.saturating_sub(kept))));
        assert!(session.log_times().eq(times.skip(all_times.saturating_sub(kept))));
        assert_eq!(all_scores(session), all_scores(&third));
    }
}

/// The snapshot after forgetting an item. With a complete log it must equal that of a replay.
fn forgotten(session: &Session, item: u8) -> Option<Vec<u8>> {
    let item = u32::from(item) % session.model().num_items() as u32;
    let mut forgetting = session.clone();
    let complete = session.log_capacity() > 0 && session.log().len() as u64 == session.events();
    let outcome = forgetting.forget(&[item]);
    assert_eq!(outcome.is_ok(), complete, "{outcome:?}");
    let mut replayed = Session::new(Arc::clone(session.model()));
    replayed.set_log_capacity(session.log_capacity());
    let kept: Vec<_> = logged(session).into_iter().filter(|event| event.item != item).collect();
    replayed.extend(&kept).expect("a log that was checked");
    if complete {
        assert_eq!(forgetting.snapshot(), replayed.snapshot());
    }
    complete.then(|| replayed.snapshot())
}

/// A session with some history, part of which can be undone.
fn played(model: &Arc<Model>, log: u8, items: &[u8]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.set_log_capacity(usize::from(log));
    session.set_undo_depth(usize::from(log % 4)).expect("a small ring");
    append(&mut session, items);
    session
}

fn append(session: &mut Session, items: &[u8]) {
    let count = session.model().num_items() as u32;
    let items: Vec<_> = items.iter().map(|&item| u32::from(item) % count).collect();
    let events = models::events(session.model(), &items);
    session.extend(&events).expect("items of the model");
}

impl Edit<'_> {
    /// Skips a snapshot that earlier edits made too short.
    fn apply(&self, blob: &mut Vec<u8>) {
        match self {
            Self::Precision(code) => put(blob, PRECISION_AT, &[*code]),
            Self::Events(events) => put(blob, EVENTS_AT, &events.to_le_bytes()),
            Self::Seen(items) => {
                let log = log_of(blob).into_iter().fold(0, u64::saturating_add);
                let seen = 4 * (u64_at(blob, SEEN_COUNT_AT) & u64::from(u32::MAX));
                if replace_list(blob, log, seen, words(items)) {
                    put(blob, SEEN_COUNT_AT, &(items.len() as u32).to_le_bytes());
                }
            }
            Self::Log(items, capacity) => {
                let [log, times, kinds] = log_of(blob);
                if replace_list(blob, times.saturating_add(kinds), log, words(items)) {
                    let time = |&item: &u16| i64::from(item).to_le_bytes();
                    if has_times(blob) {
                        replace_list(blob, kinds, times, items.iter().flat_map(time));
                        put(blob, LAST_TIME_AT, &items.last().map(time).unwrap_or_default());
                    }
                    if has_kinds(blob) {
                        // Most are kinds of the model.
                        replace_list(blob, 0, kinds, items.iter().map(|&item| item as u8 % 4));
                    }
                    put(blob, LOG_CAPACITY_AT, &capacity.to_le_bytes());
                    put(blob, LOG_COUNT_AT, &(items.len() as u64).to_le_bytes());
                }
            }
            Self::Number { offset, number } => {
                let number = NUMBERS[usize::from(*number) % NUMBERS.len()];
                let words = (blob.len().saturating_sub(STATE_AT) / 4).max(1);
                put(blob, STATE_AT + usize::from(*offset) % words * 4, &number.to_le_bytes());
            }
            Self::Bytes { offset, bytes } => {
                let offset = usize::from(*offset) % (blob.len() + 1);
                put(blob, offset, bytes);
            }
            Self::Splice(splice) => {
                splice.apply(blob);
            }
        }
    }
}

/// The number at an offset, 0 past the end.
fn u64_at(blob: &[u8], offset: usize) -> u64 {
    let bytes = blob.get(offset..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |&bytes| u64::from_le_bytes(bytes))
}

fn has_kinds(blob: &[u8]) -> bool {
    matches!(blob.get(VERSION_AT), Some(3 | 5))
}

fn has_times(blob: &[u8]) -> bool {
    matches!(blob.get(VERSION_AT), Some(4 | 5))
}

/// The bytes of the items, the times and the kinds of the events in the log.
fn log_of(blob: &[u8]) -> [u64; 3] {
    let count = u64_at(blob, LOG_COUNT_AT);
    let of = |there: bool, bytes| if there { count.saturating_mul(bytes) } else { 0 };
    [of(true, 4), of(has_times(blob), 8), of(has_kinds(blob), 1)]
}

fn words(items: &[u16]) -> impl Iterator<Item = u8> {
    items.iter().flat_map(|&item| u32::from(item).to_le_bytes())
}

/// Replaces the `length` bytes that end `behind` bytes before the checksum, if they exist.
fn replace_list(
    blob: &mut Vec<u8>,
    behind: u64,
    length: u64,
    bytes: impl Iterator<Item = u8>,
) -> bool {
    let end = (blob.len() as u64).checked_sub(behind.saturating_add(CHECKSUM_BYTES as u64));
    let start = end.and_then(|end| end.checked_sub(length));
    let (Some(start), Some(end)) = (start, end) else { return false };
    blob.splice(start as usize..end as usize, bytes);
    true
}
