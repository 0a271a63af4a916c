//! The added items that a stored history depends on.

use crate::error::Cause;
use crate::{Model, Result};

/// The added items that a history depends on. Item indices from N on are valid only where the same
/// items were added first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// How many added items are needed to cover every item of the history.
    pub(crate) count: u32,
    /// Identifies them; zeros if there are none.
    pub(crate) digest: [u8; 32],
}

impl Model {
    /// The added items needed by histories whose largest item is `last`.
    pub(crate) fn added_up_to(&self, last: Option<u32>) -> Added {
        let end = last.map_or(0, |last| last as usize + 1);
        let count = end.saturating_sub(self.num_items());
        // Each overlay extends the last one, so the active one has the items of every history.
        let digest = self.overlay().and_then(|overlay| overlay.added_digest(count));
        Added { count: count as u32, digest: digest.unwrap_or_default() }
    }

    /// Checks that the active overlay starts with these added items.
    pub(crate) fn check_added(&self, added: &Added) -> Result<()> {
        let (expected, overlay) = (added.count as usize, self.overlay());
        let digest = overlay.as_ref().and_then(|overlay| overlay.added_digest(expected));
        if expected == 0 || digest == Some(added.digest) {
            return Ok(());
        }
        let found = overlay.map_or(0, |overlay| overlay.num_added());
        Err(Cause::AddedItems { found, expected }.into())
    }
}
