//! The log of events, and exact forgetting.

use crate::error::Cause;
use crate::{Event, Kind, Result, Session};

impl Session {
    /// Keeps the last `capacity` events; 0, the default, keeps none.
    ///
    /// The log takes four bytes per event, one more if the model has kinds and eight more if it uses
    /// times. It grows as needed, so a capacity of `usize::MAX` keeps every event. A full log drops
    /// its oldest events; reducing the capacity does so at once. Events before the first call are
    /// not in the log. Drops the checkpoints of [`Session::undo`].
    pub fn set_log_capacity(&mut self, capacity: usize) {
        self.log.set_capacity(capacity);
        self.undo.clear();
    }

    /// The capacity of the log; 0 if none is kept.
    pub fn log_capacity(&self) -> usize {
        self.log.capacity
    }

    /// The items of the events in the log, oldest first. They are the whole history if their number
    /// equals [`Session::events`], otherwise the most recent part.
    pub fn log(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.log.items.iter().copied()
    }

    /// The kinds of the events in the log, oldest first; none if the model has no kinds.
    pub fn log_kinds(&self) -> impl ExactSizeIterator<Item = Kind> + '_ {
        self.log.kinds.iter().map(|&kind| Kind::new(kind))
    }

    /// The times of the events in the log in seconds, oldest first; none if the model does not use
    /// times.
    pub fn log_times(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        self.log.times.iter().copied()
    }

    /// Removes every event of the given items from the history, exactly: afterwards the session has
    /// the same bits as one that never had them.
    ///
    /// This replays the history, so the log must hold all of it: call [`Session::set_log_capacity`]
    /// before the first event, with enough capacity. Otherwise this is an error, and nothing
    /// changes. After restoring an f16 snapshot, the replay also removes its drift. Events of items
    /// whose vectors an overlay has replaced are replayed with the current vectors.
    pub fn forget(&mut self, items: &[u32]) -> Result<()> {
        let overlay = self.model.overlay();
        self.model.view(overlay.as_deref()).check(items.iter().copied())?;
        let mut kept = self.whole_log()?;
        let mut forgotten = items.to_vec();
        forgotten.sort_unstable();
        kept.retain(|event| forgotten.binary_search(&event.item).is_err());
        self.reset();
        self.extend_under(overlay.as_deref(), kept.iter().copied())
    }

    /// The history; an error unless the log holds all of it.
    pub(super) fn whole_log(&self) -> Result<Vec<Event>> {
        if self.log.capacity == 0 {
            return Err(Cause::NoLog.into());
        }
        if self.log.len() as u64 != self.events {
            let found = self.log.len();
            return Err(Cause::IncompleteLog { found, expected: self.events }.into());
        }
        Ok(self.log.events().collect())
    }
}
