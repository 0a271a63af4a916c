//! The overlay that a model uses now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Overlay;
use crate::catalog::{Catalog, View};
use crate::{Error, Model, Result};

/// An overlay that can be exchanged while other threads use it.
#[derive(Debug, Default)]
pub(crate) struct Active {
    /// Whether there is one, so that a model without an overlay pays no lock.
    present: AtomicBool,
    overlay: RwLock<Option<Arc<Overlay>>>,
}

impl Active {
    fn get(&self) -> Option<Arc<Overlay>> {
        if !self.present.load(Ordering::Acquire) {
            return None;
        }
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts one in if it can follow the present one; with `only_after`, only if that is the present
    /// one. Says whether it did.
    fn set(&self, next: Overlay, only_after: Option<&Option<Arc<Overlay>>>) -> Result<bool> {
        let next = Arc::new(next);
        let mut present = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        if only_after.is_some_and(|after| {
            after.as_ref().map(Arc::as_ptr) != present.as_ref().map(Arc::as_ptr)
        }) {
            return Ok(false);
        }
        let added = present.as_ref().map_or(0, |overlay| overlay.num_added());
        let digest = present.as_ref().and_then(|overlay| overlay.added_digest(added));
        if digest.is_some() && next.added_digest(added) != digest {
            return Err(Error::OverlayOrder { added });
        }
        let former = present.replace(next);
        self.present.store(true, Ordering::Release);
        drop(present);
        drop(former); // outside the lock: it may be large
        Ok(true)
    }
}

impl Model {
    /// The active overlay, if there is one.
    pub fn overlay(&self) -> Option<Arc<Overlay>> {
        self.overlay.get()
    }

    /// Makes an overlay active: all sessions on this model use it from their next call on, and no
    /// call sees two.
    ///
    /// Sessions may hold items that the active overlay added, so those have to be added items of the new
    /// one as well, first and in the same order; otherwise, and if the overlay is of another model,
    /// this is an error and nothing changes.
    pub fn set_overlay(&self, overlay: Overlay) -> Result<()> {
        self.put_overlay(overlay, None).map(|_| ())
    }

    /// Changes the active overlay, or an empty one where there is none: `change` works on a copy,
    /// which is then made active as by [`Model::set_overlay`]. On an error nothing changes.
    ///
    /// Changes that several threads make at the same time are all kept; `change` may run more than
    /// once for that.
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
        let (found, expected) = (overlay.model, self.fingerprint());
        if found != expected {
            return Err(Error::OverlayModel { found, expected });
        }
        self.overlay.set(overlay, only_after)
    }

    /// The ids and indices of all items, added ones included, as they are now.
    pub fn catalog(&self) -> Catalog<'_> {
        Catalog::new(self.vocabulary(), self.overlay())
    }

    /// The catalogue under an overlay.
    pub(crate) fn view<'a>(&'a self, overlay: Option<&'a Overlay>) -> View<'a> {
        View { table: &self.table, file: &self.bytes, num_items: self.num_items(), overlay }
    }
}
