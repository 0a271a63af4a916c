//! Several threads on one query, each on a shard of the catalogue.

use super::part::Shard;

/// Up to so many items one thread is as good: its scan takes about as long as waking others.
pub(super) const ALONE: usize = 100_000;

/// The most threads; a larger count is a mistake, and memory is set aside for each.
pub(super) const MOST: usize = 256;

/// Has the worker of the caller's thread and others do their shards of the work.
pub(super) fn share<W: Send>(first: &mut W, others: &mut [W], work: impl Fn(&mut W, Shard) + Sync) {
    let (work, count) = (&work, 1 + others.len());
    rayon::scope(|scope| {
        for (index, other) in (1..).zip(others) {
            scope.spawn(move |_| work(other, Shard { index, count }));
        }
        work(first, Shard { index: 0, count });
    });
}
