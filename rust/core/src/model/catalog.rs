//! The ids of the catalogue, under one overlay or none.

use std::sync::Arc;

use super::overlay::Overlay;
use super::vocabulary::{ItemId, Vocabulary};

/// The ids and indices of a model's items, including those added by an overlay.
///
/// It is a snapshot taken by [`Model::catalog`](crate::Model::catalog): overlays made active later
/// do not change it. An index always means the same item. All ids are of one kind. A lookup is a
/// binary search and does not allocate.
#[derive(Clone, Debug)]
pub struct Catalog<'m> {
    vocabulary: Vocabulary<'m>,
    overlay: Option<Arc<Overlay>>,
}

impl<'m> Catalog<'m> {
    pub(super) fn new(vocabulary: Vocabulary<'m>, overlay: Option<Arc<Overlay>>) -> Self {
        Self { vocabulary, overlay }
    }

    /// The number of items: N and the added ones. Retired items count.
    #[allow(clippy::len_without_is_empty)] // no model is without items
    pub fn len(&self) -> usize {
        self.vocabulary.len() + self.overlay().map_or(0, Overlay::num_added)
    }

    /// Whether the ids are texts rather than numbers.
    pub fn is_text(&self) -> bool {
        self.vocabulary.is_text()
    }

    /// The id of an item, or `None` if the index is out of range.
    pub fn id(&self, index: u32) -> Option<ItemId<'_>> {
        match index.checked_sub(self.vocabulary.len() as u32) {
            None => self.vocabulary.id(index),
            Some(added) => self.overlay()?.added().id(added),
        }
    }

    /// The index of an id, or `None` if no item has it.
    pub fn index_of<'b>(&self, id: impl Into<ItemId<'b>>) -> Option<u32> {
        let id = id.into();
        self.vocabulary.index_of(id).or_else(|| {
            let added = self.overlay()?.added().index_of(id)?;
            Some(self.vocabulary.len() as u32 + added)
        })
    }

    /// Whether an item is retired.
    pub fn is_retired(&self, index: u32) -> bool {
        self.overlay().is_some_and(|overlay| overlay.retired().binary_search(&index).is_ok())
    }

    /// The overlay, if any.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_deref()
    }
}
