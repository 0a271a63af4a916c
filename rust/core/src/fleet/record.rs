//! What is stored of a user besides the state.

use crate::Event;
use crate::event::Gap;
use crate::session::EventLog;

#[derive(Clone, Default)]
pub(super) struct Record {
    pub(super) events: u64,
    /// The time of the last event in seconds; 0 if the model does not use times.
    pub(super) last_time: i64,
    /// Ascending.
    pub(super) seen: Vec<u32>,
    pub(super) log: EventLog,
    /// The number of the save that comes after the last change.
    pub(super) changed: u64,
    /// While a piece's events are put in order, those of this user so far; otherwise 0.
    pub(super) queued: usize,
}

impl Record {
    /// A user without events, with a log of a capacity.
    pub(super) fn new(log_capacity: usize) -> Self {
        let mut record = Self::default();
        record.log.set_capacity(log_capacity);
        record
    }

    /// Queues an event with a time, and returns how many are queued before it, and the time since
    /// the event before.
    pub(super) fn queue(&mut self, time: Option<i64>) -> (usize, Option<Gap>) {
        let before = (self.events > 0 || self.queued > 0).then_some(self.last_time);
        let gap = time.map(|time| Gap::between(before, time));
        self.last_time = time.unwrap_or_default();
        self.queued += 1;
        (self.queued - 1, gap)
    }

    /// Adds an event, whose state the network has computed. `changed` is the number of the next
    /// save.
    pub(super) fn add(&mut self, event: Event, changed: u64) {
        // Only a restored history can come near the limit.
        self.events = self.events.saturating_add(1);
        if let Err(index) = self.seen.binary_search(&event.item) {
            self.seen.insert(index, event.item);
        }
        self.log.push(event);
        self.changed = changed;
    }
}
