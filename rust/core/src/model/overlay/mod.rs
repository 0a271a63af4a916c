//! Changes to the catalogue at run time, separate from the model file.

mod active;
mod file;
mod ids;
mod on_model;
mod rows;

pub(crate) use active::Active;
pub(crate) use rows::Rows;

use std::fmt;
use std::sync::Arc;

use ids::AddedIds;

use crate::error::Cause;
use crate::kernels::block_scores::BLOCK;
use crate::loading::Bytes;
use crate::model::vocabulary::{Vocabulary, VocabularyLayout};
use crate::{Fingerprint, ItemId, Result};

const MAX_ITEMS: usize = 1 << 31;

/// Items added to a model's catalogue, vectors replaced and items retired, without changing the
/// model file or any session.
///
/// An overlay is a value. [`Model::set_overlay`](crate::Model::set_overlay) makes one active, and
/// [`Model::update_overlay`](crate::Model::update_overlay) changes the active one. Vectors are item
/// embeddings of length D. An item's score is the dot product of its vector with the session's
/// hidden vector, summed in order in f32, whatever the dtype of the model's table. The vector is
/// also the network's input for an event of the item.
///
/// Added items get the indices N, N + 1, ... in the order of their addition. Indices are never
/// reused: a retired item keeps its own.
///
/// Each change rebuilds the overlay, so pass many items in one call.
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let items = model.update_overlay(|overlay| {
///     overlay.retire(&[3])?; // sold out
///     overlay.add(&["movie-new".into()], &[0.1; 8]) // D is 8 here
/// })?;
/// assert_eq!(model.catalog().index_of("movie-new"), Some(items[0]));
///
/// let mut session = Session::new(model); // sessions made before see it as well
/// session.append(items[0])?;
/// let best = session.top_k(50, &Filter::default())?;
/// assert!(best.iter().all(|scored| scored.item != 3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Overlay {
    model: Fingerprint,
    /// The model file, and the ranges of the ids in it.
    file: Arc<Bytes>,
    vocabulary: VocabularyLayout,
    added: AddedIds,
    rows: Rows,
    /// Ascending.
    retired: Vec<u32>,
    /// Per block of the model's table, a bit per replaced or retired item. Empty if there are none.
    pub(crate) base_masks: Vec<u32>,
    /// For each block of rows, a bit per retired item. Empty if there are none.
    pub(crate) row_masks: Vec<u32>,
}

impl Overlay {
    /// Sets the vectors of items, `[n, D]`, and returns their item indices. An id that neither the
    /// model nor the overlay has becomes a new item. For a known id, the vector is replaced, and a
    /// retired item is reinstated.
    ///
    /// Returns an error if ids repeat or are not of the model's kind, if the vectors are not D
    /// finite numbers per id, or if the number of items would reach 2^31. Nothing changes then.
    pub fn add(&mut self, ids: &[ItemId<'_>], vectors: &[f32]) -> Result<Vec<u32>> {
        self.check_vectors(ids, vectors)?;
        self.check_ids(ids)?;
        let first = self.len();
        let mut new_ids = Vec::new();
        let mut items = Vec::with_capacity(ids.len());
        for &id in ids {
            items.push(self.index_of(id).unwrap_or_else(|| {
                new_ids.push(id);
                (first + new_ids.len() - 1) as u32
            }));
        }
        let end = first + new_ids.len();
        if end >= MAX_ITEMS {
            return refuse(format!("{end} items"), format!("less than {MAX_ITEMS}"));
        }
        self.added.extend(&new_ids);
        self.rows = self.rows.with(&items, vectors);
        self.unretire(&items);
        Ok(items)
    }

    /// Retires items: they are never recommended, even if an allow list has them. They keep their
    /// index, their score and their place in histories, and can still be appended. Returns an error
    /// for an invalid item index, and nothing changes.
    pub fn retire(&mut self, items: &[u32]) -> Result<()> {
        check_items(items.iter().copied(), self.len())?;
        self.retired.extend_from_slice(items);
        self.retired.sort_unstable();
        self.retired.dedup();
        self.update_masks();
        Ok(())
    }

    /// Reinstates retired items, with their former vectors. Errors are those of
    /// [`Overlay::retire`].
    pub fn reinstate(&mut self, items: &[u32]) -> Result<()> {
        check_items(items.iter().copied(), self.len())?;
        self.unretire(items);
        Ok(())
    }

    /// The number of added items.
    pub fn num_added(&self) -> usize {
        self.added.len()
    }

    /// The items of the model whose vectors are replaced, ascending.
    pub fn replaced(&self) -> &[u32] {
        self.rows.replaced()
    }

    /// The retired items, ascending.
    pub fn retired(&self) -> &[u32] {
        &self.retired
    }

    /// Identifies the first `count` added items by their ids, in order; `None` if there are fewer.
    pub(crate) fn added_digest(&self, count: usize) -> Option<[u8; 32]> {
        self.added.digest(count)
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The ids of added items, counted from 0.
    pub(super) fn added(&self) -> Vocabulary<'_> {
        self.added.vocabulary()
    }

    fn base(&self) -> Vocabulary<'_> {
        self.vocabulary.view(&self.file)
    }

    fn len(&self) -> usize {
        self.base().len() + self.num_added()
    }

    fn index_of(&self, id: ItemId<'_>) -> Option<u32> {
        let base = self.base();
        let added = || self.added().index_of(id).map(|item| base.len() as u32 + item);
        base.index_of(id).or_else(added)
    }

    fn unretire(&mut self, items: &[u32]) {
        let mut items = items.to_vec();
        items.sort_unstable();
        self.retired.retain(|item| items.binary_search(item).is_err());
        self.update_masks();
    }

    fn update_masks(&mut self) {
        let base = self.base().len();
        let retired = self.retired.iter().map(|&item| item as usize);
        let retired_base = retired.take_while(|&item| item < base);
        let replaced = self.replaced().iter().map(|&item| item as usize);
        self.base_masks = bits(replaced.chain(retired_base), base);
        let retired_rows = self.retired.iter().filter_map(|&item| self.rows.row_of(item));
        self.row_masks = bits(retired_rows, self.rows.len());
    }

    fn check_ids(&self, ids: &[ItemId<'_>]) -> Result<()> {
        let text = self.base().is_text();
        if let Some(id) = ids.iter().find(|id| matches!(id, ItemId::Str(_)) != text) {
            let expected =
                if text { "a text, like the model's" } else { "a number, like the model's" };
            return refuse(format!("id `{id}`"), expected);
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable_by(ItemId::compare);
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => refuse(format!("id `{}` twice", pair[0]), "distinct ids"),
        }
    }

    fn check_vectors(&self, ids: &[ItemId<'_>], vectors: &[f32]) -> Result<()> {
        let size = self.rows.size();
        if ids.len().checked_mul(size) != Some(vectors.len()) {
            let found = format!("{} numbers for {} ids", vectors.len(), ids.len());
            return refuse(found, format!("{size} for each"));
        }
        match vectors.iter().position(|number| !number.is_finite()) {
            None => Ok(()),
            Some(index) => {
                let (id, number) = (ids[index / size], vectors[index]);
                let found =
                    format!("{number} at index {} of the vector of id `{id}`", index % size);
                refuse(found, "a finite number")
            }
        }
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replaced, retired) = (self.replaced().len(), self.retired.len());
        write!(f, "Overlay({} added, {replaced} replaced, {retired} retired)", self.num_added())
    }
}

pub(in crate::model) fn check_items(
    items: impl IntoIterator<Item = u32>,
    num_items: usize,
) -> Result<()> {
    match items.into_iter().find(|&item| item as usize >= num_items) {
        None => Ok(()),
        Some(found) => Err(Cause::ItemOutOfRange { found, num_items }.into()),
    }
}

/// A bit per position, in one word per block. Empty if no bit is set.
fn bits(positions: impl Iterator<Item = usize>, len: usize) -> Vec<u32> {
    let mut positions = positions.peekable();
    if positions.peek().is_none() {
        return Vec::new();
    }
    let mut words = vec![0; len.div_ceil(BLOCK)];
    for position in positions {
        words[position / BLOCK] |= 1 << (position % BLOCK);
    }
    words
}

fn refuse<T>(found: String, expected: impl Into<String>) -> Result<T> {
    Err(Cause::Overlay { found, expected: expected.into() }.into())
}
