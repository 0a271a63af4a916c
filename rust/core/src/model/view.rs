//! The catalogue as one call sees it: the items of the file under one overlay, or none.

use std::sync::Arc;

use super::overlay::{Overlay, check_items};
use super::table::Table;
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

    /// The vector of an item.
    #[inline(always)]
    pub(crate) fn embedding<S: Simd>(&self, simd: S, item: usize, out: &mut [f32]) {
        match self.row_of(item) {
            Some((overlay, row)) => overlay.rows().embedding(simd, row, out),
            None => self.table.embedding(simd, self.file, item, out),
        }
    }

    /// The score of an item: the number that a scan finds for it.
    #[inline(always)]
    pub(crate) fn score<S: Simd>(&self, simd: S, item: usize, hidden: &[f32]) -> f32 {
        match self.row_of(item) {
            Some((overlay, row)) => overlay.rows().score(row, hidden),
            None => self.table.score(simd, self.file, item, hidden),
        }
    }

    /// Where in the overlay the item's vector is, if it is there.
    #[inline(always)]
    fn row_of(&self, item: usize) -> Option<(&Overlay, usize)> {
        let overlay = self.overlay?;
        overlay.rows().row_of(item as u32).map(|row| (overlay, row))
    }
}
