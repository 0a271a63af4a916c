//! Changes to the catalogue at run time, beside the model file.

mod active;
mod file;
mod ids;
mod on_model;
mod rows;

pub(crate) use active::Active;
pub(crate) use rows::Rows;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ids::AddedIds;

use crate::error::Cause;
use crate::kernels::block_scores::BLOCK;
use crate::loading::Bytes;
use crate::model::vocabulary::{Vocabulary, VocabularyLayout};
use crate::{Fingerprint, ItemId, Result};

/// The end of item indices.
const MAX_ITEMS: usize = 1 << 31;

/// Items added to a model's catalogue, vectors of its items replaced, and items retired, without a
/// change to the model file or to any session.
///
/// An overlay is a value; [`Model::set_overlay`](crate::Model::set_overlay) makes one active, and [`Model::update_overlay`](crate::Model::update_overlay)
/// changes the active one. Vectors are embeddings of the model, D numbers: an item's score is the dot
/// product of its vector with the session's hidden vector, summed in order in f32 as in an f32 table,
/// whatever the model's table is. They are also what an event of the item puts into a session.
///
/// Added items get the item indices N, N + 1, ... in the order in which they are added. An index is
/// never given away again: a retired item keeps its own.
///
/// Each change takes a pass over the overlay, so many items are best given in one call.
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
    /// The model's file, and where the ids of its items are in it.
    file: Arc<Bytes>,
    vocabulary: VocabularyLayout,
    added: AddedIds,
    rows: Rows,
    /// Ascending.
    retired: Vec<u32>,
    /// For each block of the model's table, the items that are replaced or retired; empty where none
    /// are.
    pub(crate) base_left_out: Vec<u32>,
    /// For each block of rows, those whose items are retired; empty where none are.
    pub(crate) rows_left_out: Vec<u32>,
}

impl Overlay {
    /// Gives items their vectors, `[n, D]`, and returns their item indices. An id that neither the
    /// model nor the overlay knows becomes a new item; the vector of one that is known is replaced,
    /// and if the item was retired it no longer is.
    ///
    /// It is an error if the ids are not distinct or not of the model's kind, if there is not one
    /// vector of finite numbers for each, or if there would be 2^31 items. Nothing changes then.
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
        let vectors = vectors.chunks_exact(self.rows.size());
        self.put_rows(&items.iter().copied().zip(vectors).collect());
        self.take_back(&items);
        Ok(items)
    }

    /// Retires items: they are never among the best, not even through an allow list. They keep their
    /// index, their score and their place in histories, and may still be appended. It is an error if
    /// one of them does not exist, and nothing changes.
    pub fn retire(&mut self, items: &[u32]) -> Result<()> {
        check_items(items.iter().copied(), self.len())?;
        self.retired.extend_from_slice(items);
        self.retired.sort_unstable();
        self.retired.dedup();
        self.leave_out();
        Ok(())
    }

    /// Takes items that were retired back into the catalogue, with the vectors they had. Errors are
    /// those of [`Overlay::retire`].
    pub fn reinstate(&mut self, items: &[u32]) -> Result<()> {
        check_items(items.iter().copied(), self.len())?;
        self.take_back(items);
        Ok(())
    }

    /// How many items were added.
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

    /// Identifies the first `count` added items by their ids, in order; `None` past the last one.
    pub(crate) fn added_digest(&self, count: usize) -> Option<[u8; 32]> {
        self.added.digest(count)
    }

    /// The vectors.
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

    /// Items of the model and added ones.
    fn len(&self) -> usize {
        self.base().len() + self.num_added()
    }

    fn index_of(&self, id: ItemId<'_>) -> Option<u32> {
        let base = self.base();
        let added = || self.added().index_of(id).map(|at| base.len() as u32 + at);
        base.index_of(id).or_else(added)
    }

    fn put_rows(&mut self, vectors: &BTreeMap<u32, &[f32]>) {
        self.rows = self.rows.with(vectors);
    }

    fn take_back(&mut self, items: &[u32]) {
        let mut items = items.to_vec();
        items.sort_unstable();
        self.retired.retain(|item| items.binary_search(item).is_err());
        self.leave_out();
    }

    /// Notes what the scans leave out.
    fn leave_out(&mut self) {
        let base = self.base().len();
        let retired = self.retired.iter().map(|&item| item as usize);
        let retired_base = retired.take_while(|&item| item < base);
        let replaced = self.replaced().iter().map(|&item| item as usize);
        self.base_left_out = bits(replaced.chain(retired_base), base);
        let retired_rows = self.retired.iter().filter_map(|&item| self.rows.row_of(item));
        self.rows_left_out = bits(retired_rows, self.rows.len());
    }

    fn check_ids(&self, ids: &[ItemId<'_>]) -> Result<()> {
        let text = self.base().is_text();
        if let Some(id) = ids.iter().find(|id| matches!(id, ItemId::Str(_)) != text) {
            let expected = if text { "a text, as the model's" } else { "a number, as the model's" };
            return refuse(format!("id `{id}`"), expected);
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
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
            Some(at) => {
                let (id, number) = (ids[at / size], vectors[at]);
                let found = format!("{number} at number {} of the vector of id `{id}`", at % size);
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

/// Checks that items are among `num_items`.
pub(in crate::model) fn check_items(
    items: impl IntoIterator<Item = u32>,
    num_items: usize,
) -> Result<()> {
    match items.into_iter().find(|&item| item as usize >= num_items) {
        None => Ok(()),
        Some(found) => Err(Cause::ItemOutOfRange { found, num_items }.into()),
    }
}

/// One bit for each position, in words of a block each; nothing where no bit is set.
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
