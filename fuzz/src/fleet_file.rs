//! Fleet files: refused, or loaded exactly as stored.

use std::path::Path;
use std::sync::Arc;
use std::{env, fs, process};

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Filter, Fleet, Model, OwnedUserId, UserId};
use sha2::{Digest, Sha256};

use crate::checks::{NUMBERS, all_scores, assert_ranked, restorable, text};
use crate::edits::{CHECKSUM_BYTES, Splice, put};
use crate::models;

const HEADER_BYTES: usize = 48;
const SEGMENT_BYTES: usize = 88;
const NAMES: [&str; 6] = ["", "ann", "bob", "Ünï", "日本", "a\nb"];

/// The file of a fleet with some events, and the changes to it. Users and items are chosen by any
/// number modulo their count.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    model: u8,
    /// Whether user ids are strings.
    text: bool,
    events: Vec<(u8, u8)>,
    /// Events that are saved as changes, after users were removed.
    changes: Vec<Change>,
    edits: Vec<Edit<'a>>,
    /// Whether the checksum is recomputed.
    sealed: bool,
    after: Vec<u8>,
}

/// Events and removed users between two saves.
#[derive(Arbitrary, Debug)]
struct Change {
    removed: Vec<u8>,
    events: Vec<(u8, u8)>,
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    /// A word after the header.
    Word {
        offset: u16,
        word: u32,
    },
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

/// The outcome: the error, or scores and snapshot of each user after some more events.
type Outcome = Result<Vec<(String, Vec<u32>, Option<Vec<u8>>)>, String>;

/// A file is refused, with the same message on every instruction set. Otherwise its fleet, saved and
/// loaded, writes the same file again, and each user continues like a separate session, bit for bit.
pub fn fleet_file(data: &[u8]) {
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let models = models::models(recipe.model);
    let path = env::temp_dir().join(format!("recgrela-fuzz-{}.fleet", process::id()));
    let mut fleet = Fleet::new(Arc::clone(&models[0]));
    fleet.set_log_capacity(usize::from(recipe.model % 4));
    append(&mut fleet, recipe.text, &recipe.events);
    fleet.save(&path).expect("a folder for temporary files");
    for change in recipe.changes.iter().take(3) {
        for &user in &change.removed {
            fleet.remove(user_of(recipe.text, user)).expect("a user of this kind");
        }
        append(&mut fleet, recipe.text, &change.events);
        fleet.save_changes(&path).expect("the file that it saved");
    }
    let mut bytes = fs::read(&path).expect("a file that was written");
    for edit in &recipe.edits {
        edit.apply(&mut bytes);
    }
    if recipe.sealed {
        seal(&mut bytes);
    }
    fs::write(&path, &bytes).expect("a file that was written before");
    let outcomes: Vec<_> =
        models.iter().map(|model| loaded(model, &recipe, &path, &bytes)).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    fs::remove_file(&path).expect("a file that was written before");
}

fn loaded(model: &Arc<Model>, recipe: &Recipe<'_>, path: &Path, bytes: &[u8]) -> Outcome {
    let mut fleet = Fleet::open(path, Arc::clone(model)).map_err(|error| text(&error))?;
    fleet.save(path).expect("it was loaded from there");
    let compact = fs::read(path).expect("a file that was written");
    let again = Fleet::open(path, Arc::clone(model)).expect("a file that was saved");
    again.save(path).expect("it was loaded from there");
    assert_eq!(fs::read(path).expect("a file that was written"), compact);
    fs::write(path, bytes).expect("a file that was written before");
    let ids: Vec<_> = fleet.users().map(OwnedUserId::from).collect();
    let users: Vec<_> = ids.iter().map(UserId::from).collect();
    let mut alone: Vec<_> =
        users.iter().map(|&user| fleet.session(user).expect("a user")).collect();
    let count = model.num_items() as u32;
    for &item in recipe.after.iter().take(8) {
        let items = vec![u32::from(item) % count; alone.len()];
        let events = models::events(model, &items);
        fleet.append(&users, &events).expect("valid users and items");
        alone.iter_mut().for_each(|session| session.append(events[0]).expect("an item"));
    }
    let bits = |(&user, alone): (&UserId<'_>, _)| {
        let session = fleet.session(user).expect("a user");
        let (scores, snapshot) = (all_scores(&session), restorable(&session));
        assert_eq!((&scores, &snapshot), (&all_scores(alone), &restorable(alone)));
        assert_ranked(&session, 3, &Filter::unseen());
        (user.to_string(), scores, snapshot)
    };
    Ok(users.iter().zip(&alone).map(bits).collect())
}

fn user_of(text: bool, user: u8) -> UserId<'static> {
    let user = usize::from(user) % NAMES.len();
    if text { UserId::Str(NAMES[user]) } else { UserId::Int(user as i64 - 2) }
}

fn append(fleet: &mut Fleet, text: bool, events: &[(u8, u8)]) {
    let count = fleet.model().num_items() as u32;
    let users: Vec<_> = events.iter().map(|(user, _)| user_of(text, *user)).collect();
    let items: Vec<_> = events.iter().map(|(_, item)| u32::from(*item) % count).collect();
    let events = models::events(fleet.model(), &items);
    fleet.append(&users, &events).expect("valid users and items");
}

/// Recomputes the checksums of the segments.
fn seal(file: &mut [u8]) {
    let Some((header, mut rest)) = file.split_at_mut_checked(HEADER_BYTES) else { return };
    let mut before = Sha256::digest(header);
    while let Some(length) = rest.get(8..16).and_then(|word| word.first_chunk()) {
        let length = u64::from_le_bytes(*length).min(rest.len() as u64) as usize;
        let (segment, after) = std::mem::take(&mut rest).split_at_mut(length);
        let Some((header, body)) = segment.split_at_mut_checked(SEGMENT_BYTES) else { return };
        let Some((body, checksum)) = body.split_last_chunk_mut::<CHECKSUM_BYTES>() else { return };
        let hash = Sha256::new().chain_update(before).chain_update(body).chain_update(header);
        before = hash.finalize();
        checksum.copy_from_slice(&before);
        rest = after;
    }
}

impl Edit<'_> {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let words = (bytes.len().saturating_sub(HEADER_BYTES) / 4).max(1);
        let word_at = |offset: &u16| HEADER_BYTES + usize::from(*offset) % words * 4;
        match self {
            Self::Word { offset, word } => put(bytes, word_at(offset), &word.to_le_bytes()),
            Self::Number { offset, number } => {
                let number = NUMBERS[usize::from(*number) % NUMBERS.len()];
                put(bytes, word_at(offset), &number.to_le_bytes());
            }
            Self::Bytes { offset, bytes: new } => {
                let offset = usize::from(*offset) % (bytes.len() + 1);
                put(bytes, offset, new);
            }
            Self::Splice(splice) => {
                splice.apply(bytes);
            }
        }
    }
}
