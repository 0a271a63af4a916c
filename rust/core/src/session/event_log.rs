//! The log of events, kept on request.

use std::collections::VecDeque;

#[derive(Clone, Default)]
pub(crate) struct EventLog {
    pub(crate) events: VecDeque<u32>,
    /// 0 if no events are kept.
    pub(crate) capacity: usize,
}

impl EventLog {
    /// Appends an event. Returns the one that a full log drops.
    pub(crate) fn push(&mut self, item: u32) -> Option<u32> {
        if self.capacity == 0 {
            return None;
        }
        let full = self.events.len() == self.capacity;
        let dropped = if full { self.events.pop_front() } else { None };
        self.events.push_back(item);
        dropped
    }

    /// Changes the capacity. A smaller log drops its oldest events.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.events.drain(..self.events.len().saturating_sub(capacity));
    }

    pub(crate) fn unpush(&mut self, dropped: Option<u32>) {
        self.events.pop_back();
        if let Some(item) = dropped {
            self.events.push_front(item);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }

    /// Restores the log of a snapshot, and its capacity if no log is kept here.
    pub(crate) fn restore(&mut self, capacity: usize, log: impl ExactSizeIterator<Item = u32>) {
        if self.capacity == 0 {
            self.capacity = capacity;
        }
        self.events.clear();
        let excess = log.len().saturating_sub(self.capacity);
        self.events.extend(log.skip(excess));
    }
}
