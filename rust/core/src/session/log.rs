//! Keeping the events, and what they make possible: exact forgetting.

use crate::error::Cause;
use crate::{Result, Session};

impl Session {
    /// Keeps the last `capacity` events; 0, the default, keeps none.
    ///
    /// The log takes four bytes an event and grows as they come, so a capacity of `usize::MAX`
    /// keeps every event. When it is full, the oldest events fall out. Less capacity than before
    /// drops the oldest at once. Events before the first call are not in the log. Checkpoints kept
    /// for [`Session::undo`] are dropped.
    pub fn set_log_capacity(&mut self, capacity: usize) {
        self.log.capacity = capacity;
        self.log.events.drain(..self.log.events.len().saturating_sub(capacity));
        self.undo.clear();
    }

    /// How many events the log may hold; 0 where none is kept.
    pub fn log_capacity(&self) -> usize {
        self.log.capacity
    }

    /// The events in the log, the oldest first. They are the whole history where there are as many
    /// as [`Session::events`], otherwise its end.
    pub fn log(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.log.events.iter().copied()
    }

    /// Removes every event of some items from the history, exactly: the session is bit for bit one
    /// that never had them, with the later events moved up.
    ///
    /// The history is replayed, so the log must hold all of it ([`Session::set_log_capacity`] before the
    /// first event, with enough capacity); otherwise this is an error and nothing changes. After
    /// restoring an f16 snapshot, the replay also removes its drift. Where an overlay has replaced
    /// the vectors of items, their events are replayed with those of now.
    pub fn forget(&mut self, items: &[u32]) -> Result<()> {
        let overlay = self.model.overlay();
        self.model.view(overlay.as_deref()).check(items.iter().copied())?;
        if self.log.capacity == 0 {
            return Err(Cause::NoLog.into());
        }
        if self.log.events.len() as u64 != self.events {
            let found = self.log.events.len();
            return Err(Cause::IncompleteLog { found, expected: self.events }.into());
        }
        let mut forgotten = items.to_vec();
        forgotten.sort_unstable();
        let kept = self.log().filter(|item| forgotten.binary_search(item).is_err());
        let kept: Vec<_> = kept.collect();
        self.reset();
        self.extend_under(overlay.as_deref(), &kept)
    }
}
