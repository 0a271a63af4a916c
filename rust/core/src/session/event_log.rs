//! The events themselves, kept on request.

use std::collections::VecDeque;

/// The last events, the oldest first.
#[derive(Clone, Default)]
pub(super) struct EventLog {
    pub(super) events: VecDeque<u32>,
    /// 0: none are kept.
    pub(super) capacity: usize,
}

impl EventLog {
    /// Adds an event; gives back the one that a full log drops for it.
    pub(super) fn push(&mut self, item: u32) -> Option<u32> {
        if self.capacity == 0 {
            return None;
        }
        let full = self.events.len() == self.capacity;
        let dropped = if full { self.events.pop_front() } else { None };
        self.events.push_back(item);
        dropped
    }

    /// Undoes [`EventLog::push`].
    pub(super) fn take_back(&mut self, dropped: Option<u32>) {
        self.events.pop_back();
        if let Some(item) = dropped {
            self.events.push_front(item);
        }
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    /// Takes over the log of a snapshot, and its capacity where none is kept here.
    pub(super) fn restore(&mut self, capacity: usize, log: impl ExactSizeIterator<Item = u32>) {
        if self.capacity == 0 {
            self.capacity = capacity;
        }
        self.events.clear();
        let excess = log.len().saturating_sub(self.capacity);
        self.events.extend(log.skip(excess));
    }
}
