//! Snapshots: refused, with the session left as it was, or restored to exactly what they say.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Filter, Model, Session};
use sha2::{Digest, Sha256};

use crate::checks::{NUMBERS, all_scores, assert_ranked, restorable, text};
use crate::models;

/// Where the layout of `docs/format.md` has its fields.
const EVENTS_AT: usize = 16;
const SEEN_COUNT_AT: usize = 24;
const STATE_AT: usize = 64;
const CHECKSUM_BYTES: usize = 32;

/// A snapshot of some history, what is changed in it, and the history of the session that is to be
/// restored. Items are chosen by any number.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    model: u8,
    stored: Vec<u8>,
    edits: Vec<Edit<'a>>,
    /// Whether the checksum is made to match.
    sealed: bool,
    before: Vec<u8>,
    after: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Events(u64),
    /// The list of distinct items, and its count.
    Seen(Vec<u16>),
    Number {
        at: u16,
        number: u8,
    },
    Bytes {
        at: u16,
        bytes: &'a [u8],
    },
    Splice {
        at: u16,
        remove: u8,
        insert: &'a [u8],
    },
}

/// A snapshot is refused and leaves the session's bits as they were, or it is restored: the session
/// gives the same snapshot again, continues with the same bits on every instruction set, and
/// nothing is left of what the session held before.
pub fn snapshot(data: &[u8]) {
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let models = models::models(recipe.model);
    let mut blob = played(&models[0], &recipe.stored).snapshot();
    for edit in &recipe.edits {
        edit.apply(&mut blob);
    }
    if recipe.sealed {
        seal(&mut blob);
    }
    let outcomes: Vec<_> = models.iter().map(|model| restored(model, &recipe, &blob)).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
}

/// The refusal, or the bits of what follows.
fn restored(
    model: &Arc<Model>,
    recipe: &Recipe<'_>,
    blob: &[u8],
) -> Result<(Vec<u32>, Option<Vec<u8>>), String> {
    let mut fresh = Session::new(Arc::clone(model));
    let mut used = played(model, &recipe.before);
    let (before, scores) = (used.snapshot(), all_scores(&used));
    if let Err(error) = used.restore(blob) {
        assert_eq!((used.snapshot(), all_scores(&used)), (before, scores), "{error}");
        assert!(fresh.restore(blob).is_err());
        return Err(text(&error));
    }
    fresh.restore(blob).expect("accepted by the other session");
    assert_eq!(used.snapshot(), blob);
    append(&mut fresh, &recipe.after);
    append(&mut used, &recipe.after);
    let (scores, state) = (all_scores(&used), restorable(&used));
    assert_eq!((all_scores(&fresh), restorable(&fresh)), (scores.clone(), state.clone()));
    if used.events() > 0 {
        assert_ranked(&used, 5, &Filter::unseen());
    }
    Ok((scores, state))
}

fn played(model: &Arc<Model>, items: &[u8]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    append(&mut session, items);
    session
}

fn append(session: &mut Session, items: &[u8]) {
    let count = session.model().num_items() as u32;
    let items: Vec<_> = items.iter().map(|&item| u32::from(item) % count).collect();
    session.extend(&items).expect("items of the model");
}

impl Edit<'_> {
    /// A snapshot that earlier edits made too short for this one is left alone.
    fn apply(&self, blob: &mut Vec<u8>) {
        match self {
            Self::Events(events) => put(blob, EVENTS_AT, &events.to_le_bytes()),
            Self::Seen(items) => set_seen(blob, items),
            Self::Number { at, number } => {
                let number = NUMBERS[usize::from(*number) % NUMBERS.len()];
                let words = (blob.len().saturating_sub(STATE_AT) / 4).max(1);
                put(blob, STATE_AT + usize::from(*at) % words * 4, &number.to_le_bytes());
            }
            Self::Bytes { at, bytes } => {
                let at = usize::from(*at) % (blob.len() + 1);
                put(blob, at, bytes);
            }
            Self::Splice { at, remove, insert } => {
                let at = usize::from(*at) % (blob.len() + 1);
                let end = blob.len().min(at + usize::from(*remove));
                blob.splice(at..end, insert.iter().copied());
            }
        }
    }
}

fn put(blob: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = blob.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Makes the checksum that of the bytes before it.
fn seal(blob: &mut [u8]) {
    if let Some((body, checksum)) = blob.split_last_chunk_mut::<CHECKSUM_BYTES>() {
        *checksum = Sha256::digest(body).into();
    }
}

fn set_seen(blob: &mut Vec<u8>, items: &[u16]) {
    let Some(count) = blob.get(SEEN_COUNT_AT..).and_then(|bytes| bytes.first_chunk()) else {
        return;
    };
    let Ok(count) = usize::try_from(u64::from_le_bytes(*count)) else { return };
    let end = blob.len().saturating_sub(CHECKSUM_BYTES);
    let Some(start) = count.checked_mul(4).and_then(|bytes| end.checked_sub(bytes)) else { return };
    if start >= STATE_AT {
        blob.splice(start..end, items.iter().flat_map(|&item| u32::from(item).to_le_bytes()));
        put(blob, SEEN_COUNT_AT, &(items.len() as u64).to_le_bytes());
    }
}
