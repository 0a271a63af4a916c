//! Several threads on one query, each on a shard of the catalogue.

use std::process;
use std::sync::{Arc, RwLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::part::Shard;

/// Up to so many items one thread is as good: its scan takes about as long as waking others.
pub(super) const ALONE: usize = 100_000;

/// The most threads; a larger count is a mistake, and memory is set aside for each.
pub(super) const MOST: usize = 256;

/// The threads, and the process that started them: after a fork the child has none of them.
static POOL: RwLock<Option<(u32, Arc<ThreadPool>)>> = RwLock::new(None);

/// The threads of this process, started at the first call. It does not wait for the lock, which stays
/// closed in a child that another thread's call was forked in.
fn pool() -> Option<Arc<ThreadPool>> {
    let of = |pool: &Option<(u32, Arc<ThreadPool>)>| {
        pool.as_ref().filter(|(of, _)| *of == process::id()).map(|(_, pool)| Arc::clone(pool))
    };
    if let Some(pool) = of(&*POOL.try_read().ok()?) {
        return Some(pool);
    }
    let mut held = POOL.try_write().ok()?;
    if of(&held).is_none() {
        let pool = Arc::new(ThreadPoolBuilder::new().build().ok()?);
        // To drop the parent's would tell threads to end that are not there.
        std::mem::forget(held.replace((process::id(), pool)));
    }
    of(&held)
}

/// Has the worker of the caller's thread and others do their shards of the work: at the same time, or
/// one by one where there are no threads.
pub(super) fn share<W: Send>(first: &mut W, others: &mut [W], work: impl Fn(&mut W, Shard) + Sync) {
    let (work, count) = (&work, 1 + others.len());
    let shards = (1..).zip(others).map(|(index, other)| (Shard { index, count }, other));
    let Some(pool) = pool() else {
        shards.for_each(|(shard, other)| work(other, shard));
        return work(first, Shard { index: 0, count });
    };
    pool.in_place_scope(|scope| {
        shards.for_each(|(shard, other)| scope.spawn(move |_| work(other, shard)));
        work(first, Shard { index: 0, count });
    });
}
