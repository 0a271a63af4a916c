//! Changes of a catalogue at run time, applied to an overlay and to plain lists.

use arbitrary::Arbitrary;
use recgrela::{ItemId, Overlay, Result};

use crate::common::NaiveCatalogue;
use crate::wish::{Item, indices, knows};

/// Maximum number of items that one change adds or replaces.
const MOST: usize = 40;

/// A change of a catalogue.
#[derive(Arbitrary, Debug)]
pub(crate) enum Change<'a> {
    /// New vectors for existing items and, by id, for mostly new items.
    Add {
        known: Vec<u8>,
        new: Vec<Id<'a>>,
        numbers: Vec<u8>,
        length: Option<u8>,
    },
    Retire(Vec<Item>),
    Reinstate(Vec<Item>),
}

/// An id, mostly of the model's kind.
#[derive(Arbitrary, Debug)]
pub(crate) enum Id<'a> {
    Number(i16),
    Text(&'a str),
    Any(i64),
}

impl Change<'_> {
    /// Makes the change, with vectors of `size` values from `numbers`, and asserts the outcome that
    /// the plain lists predict. The lists change together with the overlay.
    pub(crate) fn make(
        &self,
        overlay: &mut Overlay,
        naive: &mut NaiveCatalogue,
        size: usize,
        numbers: &[f32],
    ) -> Result<()> {
        let count = naive.ids.len();
        let (items, retired) = match self {
            Self::Add { known, new, numbers: chosen, length } => {
                let vectors = Vectors { size, numbers, chosen, length: *length };
                return add(overlay, naive, (known, new), &vectors);
            }
            Self::Retire(items) => (indices(count, items), true),
            Self::Reinstate(items) => (indices(count, items), false),
        };
        let outcome = match retired {
            true => overlay.retire(&items),
            false => overlay.reinstate(&items),
        };
        assert_eq!(outcome.is_ok(), knows(count, &items), "{outcome:?}");
        if outcome.is_ok() {
            naive.set_retired(&items, retired);
        }
        outcome
    }
}

/// The source of items' vectors.
struct Vectors<'a> {
    size: usize,
    numbers: &'a [f32],
    /// Indices into `numbers`, modulo its length.
    chosen: &'a [u8],
    /// The number of values, if it should not match the items.
    length: Option<u8>,
}

impl Vectors<'_> {
    fn of(&self, items: usize) -> Vec<f32> {
        let number = |index: usize| {
            let chosen = self.chosen.get(index % self.chosen.len().max(1)).copied().unwrap_or(0);
            self.numbers
                [(usize::from(chosen) + index / self.chosen.len().max(1)) % self.numbers.len()]
        };
        let length = self.length.map_or(items * self.size, usize::from);
        (0..length).map(number).collect()
    }
}

fn add(
    overlay: &mut Overlay,
    naive: &mut NaiveCatalogue,
    (known, new): (&[u8], &[Id<'_>]),
    vectors: &Vectors<'_>,
) -> Result<()> {
    let is_text = naive.is_text;
    let known = known.iter().map(|&item| naive.ids[usize::from(item) % naive.ids.len()].clone());
    let known = known.map(|id| (is_text, id));
    let ids: Vec<_> = known.chain(new.iter().map(|id| id.named(is_text))).take(MOST).collect();
    let numbers = vectors.of(ids.len());
    let item_ids: Vec<_> = ids
        .iter()
        .map(|(is_text, id)| match is_text {
            true => ItemId::Str(id),
            false => ItemId::Int(id.parse().expect("a number's text")),
        })
        .collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let valid = distinct.len() == ids.len()
        && ids.iter().all(|id| id.0 == is_text)
        && numbers.len() == ids.len() * vectors.size
        && numbers.iter().all(|number| number.is_finite());
    let outcome = overlay.add(&item_ids, &numbers);
    assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
    let items = outcome?;
    let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    let rows: Vec<_> = numbers.chunks(vectors.size).map(<[f32]>::to_vec).collect();
    assert_eq!(items, naive.add(&ids, &rows));
    Ok(())
}

impl Id<'_> {
    /// Whether the id is text, and the text or the number's digits.
    fn named(&self, is_text: bool) -> (bool, String) {
        match self {
            Self::Number(number) => (is_text, number.to_string()),
            Self::Text(text) => (true, (*text).to_owned()),
            Self::Any(number) => (false, number.to_string()),
        }
    }
}
