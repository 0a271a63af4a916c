//! The catalogue as one call sees it: the items of the file under one overlay, or none.

use std::sync::Arc;

use super::overlay::{Overlay, Rows, check_items};
use super::table::{Numbers, Table, Visitor};
use crate::simd::Simd;
use crate::{ItemId, Result, Vocabulary};

/// The ids and indices of a model's items, those added by an overlay included.
///
/// It is what [`Model::catalog`](crate::Model::catalog) found: an overlay that is made active later
/// does not change it. Indices mean the same items at all times.
#[derive(Clone, Debug)]
pub struct Catalog<'m> {
    vocabulary: Vocabulary<'m>,
    overlay: Option<Arc<Overlay>>,
}

impl<'m> Catalog<'m> {
    pub(super) fn new(vocabulary: Vocabulary<'m>, overlay: Option<Arc<Overlay>>) -> Self {
        Self { vocabulary, overlay }
    }

    /// The number of items: N, and those added. Retired ones count.
    #[allow(clippy::len_without_is_empty)] // no model is without items
    pub fn len(&self) -> usize {
        self.vocabulary.len() + self.overlay().map_or(0, Overlay::num_added)
    }

    /// Whether the ids are texts; otherwise they are numbers.
    pub fn is_text(&self) -> bool {
        self.vocabulary.is_text()
    }

    /// The id of an item, or `None` past the last one.
    pub fn id(&self, index: u32) -> Option<ItemId<'_>> {
        match index.checked_sub(self.vocabulary.len() as u32) {
            None => self.vocabulary.id(index),
            Some(added) => self.overlay()?.added_id(added),
        }
    }

    /// The item of an id, or `None` if no item has it.
    pub fn index_of<'b>(&self, id: impl Into<ItemId<'b>>) -> Option<u32> {
        let id = id.into();
        self.vocabulary.index_of(id).or_else(|| {
            let added = self.overlay()?.added_index_of(id)?;
            Some(self.vocabulary.len() as u32 + added)
        })
    }

    /// Whether an item is retired.
    pub fn is_retired(&self, index: u32) -> bool {
        self.overlay().is_some_and(|overlay| overlay.retired().binary_search(&index).is_ok())
    }

    /// The overlay, if there is one.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_deref()
    }
}

/// Every item's vector, under an overlay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    /// The model file, where the table is.
    pub(crate) file: &'a [u8],
    /// N, items of the file.
    pub(crate) num_items: usize,
    pub(crate) overlay: Option<&'a Overlay>,
}

impl View<'_> {
    /// Items of the file and added ones.
    pub(crate) fn len(&self) -> usize {
        self.num_items + self.overlay.map_or(0, Overlay::num_added)
    }

    /// Checks that items exist.
    pub(crate) fn check(&self, items: impl IntoIterator<Item = u32>) -> Result<()> {
        check_items(items, self.len())
    }

    /// out = the vector of an item
    #[inline(always)]
    pub(crate) fn embedding<S: Simd>(&self, simd: S, item: usize, out: &mut [f32]) {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().embedding(simd, row, out),
            None => self.table.visit(self.file, Embedding { simd, item, out }),
        }
    }

    /// The score of an item: the number that a scan finds for it.
    #[inline(always)]
    pub(crate) fn score<S: Simd>(&self, simd: S, item: usize, hidden: &[f32]) -> f32 {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().score(simd, row, hidden),
            None => self.table.visit(self.file, Score { simd, item, hidden }),
        }
    }

    /// Where in the overlay the item's vector is, if it is there.
    #[inline(always)]
    fn row_of(&self, item: usize) -> Option<(&Rows, usize)> {
        let rows = self.overlay?.rows();
        rows.row_of(item as u32).map(|row| (rows, row))
    }
}

/// [`Numbers::embedding`]
struct Embedding<'a, S> {
    simd: S,
    item: usize,
    out: &'a mut [f32],
}

impl<S: Simd> Visitor for Embedding<'_, S> {
    type Output = ();

    #[inline(always)]
    fn visit<N: Numbers>(self, numbers: N) {
        numbers.embedding(self.simd, self.item, self.out);
    }
}

/// [`Numbers::score`]
struct Score<'a, S> {
    simd: S,
    item: usize,
    hidden: &'a [f32],
}

impl<S: Simd> Visitor for Score<'_, S> {
    type Output = f32;

    #[inline(always)]
    fn visit<N: Numbers>(self, numbers: N) -> f32 {
        numbers.score(self.simd, self.item, self.hidden)
    }
}
