//! The active overlay of a model.

use std::sync::Arc;

use super::{AddedIds, Overlay, Rows};
use crate::error::Cause;
use crate::model::vocabulary::Vocabulary;
use crate::model::{Catalog, Vectors, View};
use crate::simd::Backend;
use crate::{Model, Result};

impl Model {
    /// The active overlay, if any.
    pub fn overlay(&self) -> Option<Arc<Overlay>> {
        self.overlay.get()
    }

    /// The active overlay as bytes; those of an empty one if there is none.
    pub fn overlay_bytes(&self) -> Vec<u8> {
        match self.overlay() {
            Some(overlay) => overlay.to_bytes(),
            None => Overlay::new(self).to_bytes(),
        }
    }

    /// Makes an overlay active. All sessions of this model use it from their next call on, and each
    /// call uses a single overlay.
    ///
    /// Sessions may hold items that the active overlay added. So the new one must start with the
    /// same added items, in the same order. Otherwise, or if the overlay is of another model,
    /// returns an error, and nothing changes.
    pub fn set_overlay(&self, overlay: Overlay) -> Result<()> {
        self.put_overlay(overlay, None).map(|_| ())
    }

    /// Changes the active overlay, or an empty one if there is none. `change` receives a copy,
    /// which then becomes active as by [`Model::set_overlay`]. On an error nothing changes.
    ///
    /// Concurrent changes by several threads are all kept. `change` may run more than once.
    pub fn update_overlay<T>(
        &self,
        mut change: impl FnMut(&mut Overlay) -> Result<T>,
    ) -> Result<T> {
        loop {
            let before = self.overlay();
            let mut overlay = match &before {
                Some(overlay) => Overlay::clone(overlay),
                None => Overlay::new(self),
            };
            let result = change(&mut overlay)?;
            if self.put_overlay(overlay, Some(&before))? {
                return Ok(result);
            }
        }
    }

    fn put_overlay(
        &self,
        overlay: Overlay,
        only_after: Option<&Option<Arc<Overlay>>>,
    ) -> Result<bool> {
        self.check_fingerprint("overlay", overlay.model)?;
        // The fingerprint is only stated by the file. Memory accesses depend on the sizes.
        let sizes = |vocabulary: Vocabulary<'_>, hidden_size| {
            let (items, kind) =
                (vocabulary.len(), if vocabulary.is_text() { "text" } else { "number" });
            format!("one for {items} {kind} ids and vectors of {hidden_size} numbers")
        };
        let found = sizes(overlay.base(), overlay.rows.size());
        let expected = sizes(self.vocabulary.view(&self.bytes), self.config().hidden_size);
        if found != expected {
            return Err(Cause::Overlay { found, expected }.into());
        }
        self.overlay.set(overlay, only_after)
    }

    /// The current ids and indices of all items, including added ones.
    pub fn catalog(&self) -> Catalog<'_> {
        Catalog::new(self.vocabulary.view(&self.bytes), self.overlay())
    }

    /// The vectors of items, `[n, D]`, in the order of the items: what the model file or the active
    /// overlay stores, in f32. [`Overlay::add`] takes such vectors.
    ///
    /// Returns an error for an invalid item index.
    pub fn item_vectors(&self, items: &[u32]) -> Result<Vec<f32>> {
        let overlay = self.overlay();
        let view = self.view(overlay.as_deref());
        view.check(items.iter().copied())?;
        let mut out = vec![0.0; items.len() * self.config().hidden_size];
        // Portable code has the same bits, and this is not worth a kernel per instruction set.
        Backend::SCALAR.run(Vectors { view, items, out: &mut out });
        Ok(out)
    }

    pub(crate) fn view<'a>(&'a self, overlay: Option<&'a Overlay>) -> View<'a> {
        View { table: &self.table, file: &self.bytes, num_items: self.num_items(), overlay }
    }
}

impl Overlay {
    /// Creates an overlay without changes.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        Self {
            model: model.fingerprint(),
            file: Arc::clone(&model.bytes),
            vocabulary: model.vocabulary.clone(),
            added: AddedIds::new(model.vocabulary.view(&model.bytes).is_text()),
            rows: Rows::new(model.num_items(), model.config().hidden_size),
            retired: Vec::new(),
            base_masks: Vec::new(),
            row_masks: Vec::new(),
        }
    }
}
