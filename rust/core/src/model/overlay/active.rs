//! The active overlay of a model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Overlay;
use crate::Result;
use crate::error::Cause;

/// An overlay that can be replaced while other threads use it.
#[derive(Debug, Default)]
pub(crate) struct Active {
    /// Whether there is one, so that a model without an overlay takes no lock.
    present: AtomicBool,
    overlay: RwLock<Option<Arc<Overlay>>>,
}

impl Active {
    pub(super) fn get(&self) -> Option<Arc<Overlay>> {
        if !self.present.load(Ordering::Acquire) {
            return None;
        }
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the active overlay if `next` can follow it. With `only_after`, replaces only that
    /// one. Returns whether it did.
    pub(super) fn set(
        &self,
        next: Overlay,
        only_after: Option<&Option<Arc<Overlay>>>,
    ) -> Result<bool> {
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
            return Err(Cause::OverlayOrder { added }.into());
        }
        let former = present.replace(next);
        self.present.store(true, Ordering::Release);
        drop(present);
        drop(former); // outside the lock, because it may be large
        Ok(true)
    }
}
