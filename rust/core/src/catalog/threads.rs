//! Shares one query among threads, each with a shard of the catalogue.

use std::process;
use std::sync::{Arc, RwLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::part::Shard;

/// Up to this many items, one thread is as fast: the scan takes about as long as waking others.
pub(super) const ALONE: usize = 100_000;

/// The maximum number of threads. A larger count is a mistake, and each thread has its own buffers.
pub(super) const MOST: usize = 256;

/// The threads, and the process that started them. A forked child has none of them.
static POOL: RwLock<Option<(u32, Arc<ThreadPool>)>> = RwLock::new(None);

/// The threads of this process, started on first use. Does not wait for the lock: in a child forked
/// during another thread's call, it stays locked forever.
fn pool() -> Option<Arc<ThreadPool>> {
    let own = |pool: &Option<(u32, Arc<ThreadPool>)>| {
        pool.as_ref().filter(|(owner, _)| *owner == process::id()).map(|(_, pool)| Arc::clone(pool))
    };
    if let Some(pool) = own(&*POOL.try_read().ok()?) {
        return Some(pool);
    }
    let mut held = POOL.try_write().ok()?;
    if own(&held).is_none() {
        let pool = Arc::new(ThreadPoolBuilder::new().build().ok()?);
        // Dropping the parent's pool would signal threads that do not exist here.
        std::mem::forget(held.replace((process::id(), pool)));
    }
    own(&held)
}

/// Runs the workers on their shards: in parallel, or one by one if there are no threads. The first
/// worker runs on the caller's thread.
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
