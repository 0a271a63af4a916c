//! The log of events, kept on request.

use std::collections::VecDeque;
use std::iter::repeat;

use crate::{Event, Kind};

#[derive(Clone, Default)]
pub(crate) struct EventLog {
    pub(crate) items: VecDeque<u32>,
    /// The kind of each event, as an index; empty if the model has no kinds.
    pub(crate) kinds: VecDeque<u8>,
    /// The time of each event in seconds; empty if the model does not use times.
    pub(crate) times: VecDeque<i64>,
    /// 0 if no events are kept.
    pub(crate) capacity: usize,
}

impl EventLog {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The events, oldest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + Clone {
        let kinds = self.kinds.iter().map(|&kind| Some(Kind::new(kind))).chain(repeat(None));
        let times = self.times.iter().map(|&time| Some(time)).chain(repeat(None));
        let events = self.items.iter().zip(kinds).zip(times);
        events.map(|((&item, kind), time)| (item, kind, time).into())
    }

    /// Appends an event. Returns the one that a full log drops.
    pub(crate) fn push(&mut self, event: Event) -> Option<Event> {
        if self.capacity == 0 {
            return None;
        }
        let full = self.items.len() == self.capacity;
        let dropped = if full { self.pop_front() } else { None };
        self.items.push_back(event.item);
        self.kinds.extend(event.kind.map(Kind::index));
        self.times.extend(event.time);
        dropped
    }

    fn pop_front(&mut self) -> Option<Event> {
        let item = self.items.pop_front()?;
        let (kind, time) = (self.kinds.pop_front().map(Kind::new), self.times.pop_front());
        Some(Event { item, kind, time })
    }

    /// Changes the capacity. A smaller log drops its oldest events.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        let excess = self.len().saturating_sub(capacity);
        self.items.drain(..excess);
        self.kinds.drain(..excess.min(self.kinds.len()));
        self.times.drain(..excess.min(self.times.len()));
    }

    pub(crate) fn unpush(&mut self, dropped: Option<Event>) {
        self.items.pop_back();
        self.kinds.pop_back();
        self.times.pop_back();
        if let Some(Event { item, kind, time }) = dropped {
            self.items.push_front(item);
            kind.into_iter().for_each(|kind| self.kinds.push_front(kind.index()));
            time.into_iter().for_each(|time| self.times.push_front(time));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.kinds.clear();
        self.times.clear();
    }

    /// Restores the log of a snapshot, and its capacity if no log is kept here.
    pub(crate) fn restore(
        &mut self,
        capacity: usize,
        items: impl ExactSizeIterator<Item = u32>,
        kinds: impl ExactSizeIterator<Item = Kind>,
        times: impl ExactSizeIterator<Item = i64>,
    ) {
        if self.capacity == 0 {
            self.capacity = capacity;
        }
        self.clear();
        let excess = items.len().saturating_sub(self.capacity);
        self.items.extend(items.skip(excess));
        self.kinds.extend(kinds.skip(excess).map(Kind::index));
        self.times.extend(times.skip(excess));
    }
}
