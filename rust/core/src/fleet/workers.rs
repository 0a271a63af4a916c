//! The threads of a fleet: each appends to users of its own, or answers for some of them.

use super::arena::Arena;
use super::record::Record;
#[cfg(feature = "threads")]
use super::sharing;
use super::worker::Worker;
use crate::catalog::{Query, User};
use crate::model::Overlay;
use crate::{Config, Event, Model, TopK};

pub(super) struct Workers {
    first: Worker,
    /// One per thread besides the caller's.
    others: Vec<Worker>,
}

impl Workers {
    /// Workers for a number of threads, the caller's included.
    pub(super) fn new(config: &Config, count: usize) -> Self {
        let others = (1..count).map(|_| Worker::new(config)).collect();
        Self { first: Worker::new(config), others }
    }

    pub(super) fn count(&self) -> usize {
        1 + self.others.len()
    }

    #[cfg(feature = "threads")]
    fn all(&mut self) -> Vec<&mut Worker> {
        std::iter::once(&mut self.first).chain(&mut self.others).collect()
    }

    /// Passes the events of a piece of a call through the network.
    pub(super) fn append<E: Copy + Into<Event>>(
        &mut self,
        model: &Model,
        overlay: Option<&Overlay>,
        (slots, events): (&[u32], &[E]),
        records: &mut [Record],
        arena: &mut Arena,
    ) {
        #[cfg(feature = "threads")]
        if !self.others.is_empty() && slots.len() > sharing::ALONE {
            let run = |worker: &mut Worker, chunks: &mut [_]| worker.run(model, overlay, chunks);
            return sharing::append(self.all(), (slots, events), records, arena, run);
        }
        let all = 0..slots.len();
        self.first.queue.fill((slots, events), all, records, arena, 0);
        self.first.run(model, overlay, arena.chunks_mut());
    }

    /// Answers a query for each user, into that user's ranking.
    pub(super) fn answer(&self, query: &Query<'_>, users: &[User<'_>], rankings: &mut [TopK]) {
        #[cfg(feature = "threads")]
        if !self.others.is_empty() && users.len() > sharing::ALONE {
            return sharing::answer(self.count(), query, users, rankings);
        }
        query.answer_each(users.iter().copied(), rankings);
    }
}
