//! Shares a call among threads.

use std::process;
use std::sync::{Arc, RwLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The maximum number of threads. A larger count is a mistake, and each thread has its own buffers.
pub(crate) const MOST: usize = 256;

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

/// Does the work of each worker: in parallel, or one by one if there are no threads. That of the
/// first is done on the caller's thread.
pub(crate) fn share<W: Send>(first: W, others: impl Iterator<Item = W>, work: impl Fn(W) + Sync) {
    let work = &work;
    let Some(pool) = pool() else {
        others.for_each(work);
        return work(first);
    };
    pool.in_place_scope(|scope| {
        others.for_each(|other| scope.spawn(move |_| work(other)));
        work(first);
    });
}
