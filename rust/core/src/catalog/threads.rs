//! Several threads on one query: each ranks a shard of the catalogue, and the best of all is the best
//! of what they found. With a quota, too: see `quota.rs`.

use super::blocks::Blocks;
use super::ranking::Scored;
use super::scan::Shard;
use super::worker::{Task, Worker};

/// Up to here one thread is as good: its scan takes about as long as waking others.
const ALONE: usize = 100_000;

/// The most threads; a larger count is a mistake, and memory is set aside for each.
const MOST: usize = 256;

/// The workers beside the one of the caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Helpers {
    workers: Vec<Worker>,
}

impl Helpers {
    /// Those that make up so many threads together with the caller, or [`MOST`].
    pub(super) fn new(threads: usize) -> Self {
        Self { workers: vec![Worker::default(); threads.min(MOST).saturating_sub(1)] }
    }

    /// Has all of them answer the query together with `first`, which then has the answer.
    pub(super) fn rank<B: Blocks>(&mut self, task: &Task<'_, B>, first: &mut Worker) {
        let count = 1 + if task.items() > ALONE { self.workers.len() } else { 0 };
        let workers = &mut self.workers[..count - 1];
        if workers.is_empty() {
            return first.rank(task, Shard::WHOLE);
        }
        rayon::scope(|scope| {
            for (index, worker) in (1..).zip(&mut *workers) {
                scope.spawn(move |_| worker.rank(task, Shard { index, count }));
            }
            first.rank(task, Shard { index: 0, count });
        });
        let Worker { best, tallies, .. } = first;
        best.extend(workers.iter().flat_map(|worker| &worker.best));
        match task.query.filter.quota {
            Some(quota) => tallies.cut(best, task.query.k, quota),
            None => {
                best.sort_unstable_by(Scored::rank);
                best.truncate(task.query.k);
            }
        }
    }
}
