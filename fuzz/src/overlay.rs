//! Overlays: sequences of changes to a catalogue, and overlay files.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{ErrorKind, Fleet, Model, Overlay, Session};

use crate::change::Change;
use crate::checks::{NUMBERS, all_scores, bits, restorable, text};
use crate::common::{NaiveCatalogue, OverlayFile};
use crate::edits::FileSplice;
use crate::models;
use crate::tensors::TensorEdit;
use crate::wish::Wish;

/// Maximum number of changes per input.
const MAX_CHANGES: usize = 8;

/// Maximum size of a file in bytes.
const LARGEST: usize = 1 << 16;

const MODEL_KEY: &str = "recgrela.model";

/// Keys of the file's metadata, and an unknown one.
const METADATA: [&str; 4] = ["recgrela.overlay", MODEL_KEY, "recgrela.fingerprint", "more"];

/// Changes of a model's catalogue, the queries after each, and the changes to the last overlay's
/// file.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    model: u8,
    events: Vec<u8>,
    changes: Vec<Change<'a>>,
    wish: Wish,
    edits: Vec<Edit<'a>>,
    /// Whether the fingerprint is recomputed.
    sealed: bool,
    splices: Vec<FileSplice<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Metadata { key: u8, text: &'a str },
    RemoveMetadata(u8),
    Replaced(Vec<u8>),
    Retired(Vec<u8>),
    Tensors(TensorEdit<'a>),
}

/// A model's catalogue under an overlay.
struct World<'a> {
    models: Vec<Arc<Model>>,
    /// One user per model.
    sessions: Vec<Session>,
    wish: &'a Wish,
    /// Scores without an overlay.
    base: Vec<f32>,
}

/// After any changes, ids, scores and rankings equal those of plain lists, on every instruction
/// set, for a session and for a fleet. A damaged file is refused or loads as the undamaged overlay.
/// With a recomputed fingerprint it is refused or loads as exactly the catalogue in its tensors. A
/// model of other sizes refuses the overlay, even if it states the same fingerprint.
pub fn overlay(data: &[u8]) {
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let world = World::new(&recipe);
    let mut naive = NaiveCatalogue::new(&world.models[0]);
    let mut overlay = Overlay::new(&world.models[0]);
    for change in recipe.changes.iter().take(MAX_CHANGES) {
        let before = overlay.to_bytes();
        let size = world.models[0].config().hidden_size;
        match change.make(&mut overlay, &mut naive, size, &NUMBERS) {
            Ok(()) => world.check(&overlay, &naive),
            Err(error) => {
                text(&error);
                assert_eq!(overlay.to_bytes(), before);
            }
        }
    }
    let stranger = models::stranger(recipe.model, &world.models[0]);
    let error = stranger.set_overlay(overlay.clone()).expect_err("one for other sizes");
    assert!(error.kind() == ErrorKind::Overlay && stranger.overlay().is_none(), "{error}");
    check_file(&recipe, &world, &overlay, &naive);
}

impl<'a> World<'a> {
    fn new(recipe: &'a Recipe<'_>) -> Self {
        let models = models::fresh(recipe.model);
        let count = models[0].num_items() as u32;
        let events = recipe.events.iter().take(16).chain([&1]);
        let events: Vec<_> = events.map(|&item| u32::from(item) % count).collect();
        let session = |model: &Arc<Model>| {
            let mut session = Session::new(Arc::clone(model));
            session.extend(&models::events(model, &events)).expect("items of the model");
            session
        };
        let sessions: Vec<_> = models.iter().map(session).collect();
        let items: Vec<_> = (0..count).collect();
        let base = sessions[0].score(&items).expect("items of the model");
        Self { models, sessions, wish: &recipe.wish, base }
    }

    /// Activates the overlay and compares the catalogue with plain lists.
    fn check(&self, overlay: &Overlay, naive: &NaiveCatalogue) {
        assert_eq!(overlay.retired(), naive.retired());
        let own = &naive.vectors[..self.models[0].num_items()];
        let replaced = (0..).zip(own).filter(|(_, vector)| vector.is_some()).map(|(item, _)| item);
        assert!(overlay.replaced().iter().copied().eq(replaced));
        for (model, session) in self.models.iter().zip(&self.sessions) {
            let state = session.snapshot();
            model.set_overlay(overlay.clone()).expect("it continues the one before");
            naive.check(model);
            let expected = naive.scores(&self.base, session.user_vector().expect("it has events"));
            assert_eq!(all_scores(session), bits(&expected));
            assert_eq!(session.snapshot(), state);
            self.ask(session);
        }
        self.append(naive);
    }

    /// Queries a session and a fleet, and compares with sorting all scores.
    fn ask(&self, session: &Session) {
        let model = session.model();
        let mut fleet = Fleet::new(Arc::clone(model));
        (0..2).for_each(|user| fleet.set(user, session).expect("a session of this model"));
        self.wish.ask(model, |query| {
            let found = session.top_k(query.k, &query.filter);
            assert_eq!(found.is_ok(), query.known, "{found:?}");
            let Ok(found) = found else { return };
            assert_eq!(found, query.answer(session));
            let many = fleet.top_k(&[0, 1], query.k, &query.filter).expect("as for the session");
            assert!(many.iter().all(|one| *one == found));
        });
    }

    /// Appends the last items, whether retired or not. The bits are the same on every instruction
    /// set and for a fleet.
    fn append(&self, naive: &NaiveCatalogue) {
        let items: Vec<_> = (0..naive.ids.len() as u32).rev().take(3).collect();
        let outcomes = self.sessions.iter().map(|session| {
            let mut fleet = Fleet::new(Arc::clone(session.model()));
            fleet.set(0, session).expect("a session of this model");
            let events = models::events(session.model(), &items);
            fleet.append(&vec![0; items.len()], &events).expect("items of the catalogue");
            let mut session = session.clone();
            session.extend(&events).expect("items of the catalogue");
            let vector = fleet.user_vector(0).expect("it has events");
            assert_eq!(bits(vector), bits(session.user_vector().expect("it has events")));
            (all_scores(&session), restorable(&session))
        });
        let outcomes: Vec<_> = outcomes.collect();
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    }
}

/// Damages the overlay's file and checks whatever still loads.
fn check_file(recipe: &Recipe<'_>, world: &World<'_>, overlay: &Overlay, naive: &NaiveCatalogue) {
    let undamaged = overlay.to_bytes();
    let mut file = OverlayFile::of(overlay);
    recipe.edits.iter().for_each(|edit| edit.apply(&mut file));
    let sealed = recipe.sealed && file.metadata.contains_key(MODEL_KEY);
    let mut bytes = if sealed { file.clone().sealed() } else { file.to_bytes() };
    recipe.splices.iter().for_each(|splice| splice.apply(&mut bytes));
    if bytes.len() > LARGEST {
        return;
    }
    let fresh = World::new(recipe);
    let read = |model: &Arc<Model>| {
        let read = Overlay::from_bytes(model, &bytes);
        read.map(|read| read.to_bytes()).map_err(|error| text(&error))
    };
    let outcomes: Vec<_> = fresh.models.iter().map(read).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    let Ok(again) = &outcomes[0] else { return };
    let read = Overlay::from_bytes(&fresh.models[0], again).expect("the file of an overlay");
    assert_eq!(read.to_bytes(), *again);
    let expected = if sealed { catalogue_of(&fresh.models[0], &file) } else { naive.clone() };
    assert!(sealed || *again == undamaged);
    fresh.check(&read, &expected);
    check_continuation(&world.models[0], read, naive, &expected);
}

/// The catalogue in the tensors of an accepted file.
fn catalogue_of(model: &Model, file: &OverlayFile) -> NaiveCatalogue {
    let bytes = |name: &str| &file.tensors[name].bytes[..];
    let items = |name: &str| -> Vec<_> {
        bytes(name).as_chunks().0.iter().map(|&item| u32::from_le_bytes(item)).collect()
    };
    let numbers = bytes("overlay.vectors").as_chunks().0.iter().map(|&x| f32::from_le_bytes(x));
    let numbers: Vec<_> = numbers.collect();
    let vectors: Vec<_> = numbers.chunks(model.config().hidden_size).map(<[f32]>::to_vec).collect();
    let integers = |name: &str| bytes(name).as_chunks().0.iter().map(|&x| i64::from_le_bytes(x));
    let mut naive = NaiveCatalogue::new(model);
    let replaced = items("overlay.replaced");
    let mut ids: Vec<_> = replaced.iter().map(|&item| naive.ids[item as usize].clone()).collect();
    if naive.is_text {
        let text = std::str::from_utf8(bytes("overlay.ids_utf8")).expect("a file that was checked");
        let mut start = 0;
        for end in integers("overlay.ids_end") {
            ids.push(text[start..end as usize].to_owned());
            start = end as usize;
        }
    } else {
        ids.extend(integers("overlay.ids").map(|id| id.to_string()));
    }
    assert_eq!(ids.len(), vectors.len());
    naive.add(&ids, &vectors);
    naive.set_retired(&items("overlay.retired"), true);
    naive
}

/// A model with an overlay accepts another only if that continues the active one.
fn check_continuation(
    model: &Model,
    next: Overlay,
    naive: &NaiveCatalogue,
    expected: &NaiveCatalogue,
) {
    let added = &naive.ids[model.num_items()..];
    let before = model.overlay().map(|overlay| overlay.to_bytes());
    let continues = expected.ids[model.num_items()..].starts_with(added);
    match model.set_overlay(next) {
        Ok(()) => {
            assert!(continues);
            expected.check(model);
        }
        Err(error) => {
            assert!(!continues && error.kind() == ErrorKind::Overlay, "{error}");
            assert_eq!(model.overlay().map(|overlay| overlay.to_bytes()), before);
        }
    }
}

impl Edit<'_> {
    fn apply(&self, file: &mut OverlayFile) {
        let key = |key: u8| METADATA[usize::from(key) % METADATA.len()];
        match self {
            Self::Metadata { key: chosen, text } => {
                file.metadata.insert(key(*chosen).to_owned(), (*text).to_owned());
            }
            Self::RemoveMetadata(chosen) => {
                file.metadata.remove(key(*chosen));
            }
            Self::Replaced(items) => replace(file, items),
            Self::Retired(items) => {
                file.put_i32(
                    "overlay.retired",
                    &items.iter().map(|&i| i.into()).collect::<Vec<_>>(),
                );
            }
            Self::Tensors(edit) => edit.apply(&mut file.tensors),
        }
    }
}

/// Changes the replaced items, with zeros for missing vectors, if the tensors exist.
fn replace(file: &mut OverlayFile, items: &[u8]) {
    let old = file.tensors.get("overlay.replaced").map_or(0, |tensor| tensor.bytes.len() / 4);
    let Some(vectors) = file.tensors.get_mut("overlay.vectors") else { return };
    let &[rows, size] = &vectors.shape[..] else { return };
    let rows = rows.saturating_sub(old) + items.len();
    if let Some(length) = rows.checked_mul(size).filter(|&numbers| numbers < LARGEST / 4) {
        vectors.shape = vec![rows, size];
        vectors.bytes.resize(4 * length, 0);
        file.put_i32("overlay.replaced", &items.iter().map(|&i| i.into()).collect::<Vec<_>>());
    }
}
