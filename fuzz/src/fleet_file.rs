//! Fleet files: refused, or loaded exactly as stored.

use std::path::Path;
use std::sync::Arc;
use std::{env, fs, process};

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Filter, Fleet, Model};

use crate::checks::{NUMBERS, all_scores, assert_ranked, restorable, text};
use crate::edits::{Splice, put, seal};
use crate::models;

const HEADER_BYTES: usize = 104;
const USERS: u8 = 6;

/// The file of a fleet with some events, and the changes to it. Users and items are chosen by any
/// number modulo their count.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    model: u8,
    events: Vec<(u8, u8)>,
    edits: Vec<Edit<'a>>,
    /// Whether the checksum is recomputed.
    sealed: bool,
    capacity: u8,
    after: Vec<u8>,
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
type Outcome = Result<Vec<(Vec<u32>, Option<Vec<u8>>)>, String>;

/// A file is refused, with the same message on every instruction set. Otherwise its fleet writes
/// the same file again, and each user continues like a separate session, bit for bit.
pub fn fleet_file(data: &[u8]) {
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let models = models::models(recipe.model);
    let path = env::temp_dir().join(format!("recgrela-fuzz-{}.fleet", process::id()));
    let mut fleet = Fleet::new(Arc::clone(&models[0]), u32::from(USERS)).expect("a small fleet");
    append(&mut fleet, &recipe.events);
    fleet.save(&path).expect("a folder for temporary files");
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
    let capacity = u32::from(recipe.capacity);
    let mut fleet = Fleet::open(path, Arc::clone(model), capacity).map_err(|error| text(&error))?;
    fleet.save(path).expect("it was loaded from there");
    assert_eq!(fs::read(path).expect("a file that was written"), bytes);
    let mut alone: Vec<_> =
        (0..capacity).map(|user| fleet.session(user).expect("a user")).collect();
    let count = model.num_items() as u32;
    for &item in recipe.after.iter().take(8) {
        let items = vec![u32::from(item) % count; alone.len()];
        let users: Vec<_> = (0..capacity).collect();
        fleet.append(&users, &items).expect("valid users and items");
        alone.iter_mut().for_each(|session| session.append(items[0]).expect("an item"));
    }
    let bits = |(user, alone): (u32, _)| {
        let session = fleet.session(user).expect("a user");
        let found = (all_scores(&session), restorable(&session));
        assert_eq!(found, (all_scores(alone), restorable(alone)));
        if session.events() > 0 {
            assert_ranked(&session, 3, &Filter::unseen());
        }
        found
    };
    Ok((0..).zip(&alone).map(bits).collect())
}

fn append(fleet: &mut Fleet, events: &[(u8, u8)]) {
    let count = fleet.model().num_items() as u32;
    let users: Vec<_> = events.iter().map(|(user, _)| u32::from(user % USERS)).collect();
    let items: Vec<_> = events.iter().map(|(_, item)| u32::from(*item) % count).collect();
    fleet.append(&users, &items).expect("valid users and items");
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
