//! Shares the users of a call among threads.

use super::arena::Arena;
use super::queue::TILE;
use super::record::Record;
use super::worker::Worker;
use crate::aligned::AlignedBuf;
use crate::catalog::{GROUP_USERS, Query, User};
use crate::{Event, TopK, threads};

/// As many events or users of a call are for one thread.
pub(super) const ALONE: usize = 2 * TILE;

/// Gives each worker the events of users in consecutive chunks of the arena, about as many to each,
/// and runs the workers on their chunks.
pub(super) fn append<E: Copy + Into<Event>>(
    mut workers: Vec<&mut Worker>,
    (slots, events): (&[u32], &[E]),
    records: &mut [Record],
    arena: &mut Arena,
    run: impl Fn(&mut Worker, &mut [AlignedBuf]) + Sync,
) {
    workers.truncate(slots.len() / TILE);
    let owners = owners(slots, workers.len(), arena);
    let mut indices = vec![Vec::new(); workers.len()];
    for (index, &slot) in slots.iter().enumerate() {
        indices[owners[arena.place(slot as usize).0]].push(index);
    }
    let mut shares = Vec::with_capacity(workers.len());
    for (number, (worker, indices)) in workers.into_iter().zip(indices).enumerate() {
        let first = owners.partition_point(|&owner| owner < number);
        let end = owners.partition_point(|&owner| owner <= number);
        if !indices.is_empty() {
            worker.queue.fill((slots, events), indices, records, arena, first);
            shares.push((worker, first..end));
        }
    }
    let (mut rest, mut begin) = (arena.chunks_mut(), 0);
    let mut shares = shares.into_iter().map(|(worker, chunks)| {
        let (_, after) = std::mem::take(&mut rest).split_at_mut(chunks.start - begin);
        let (own, after) = after.split_at_mut(chunks.len());
        (rest, begin) = (after, chunks.end);
        (worker, own)
    });
    if let Some(first) = shares.next() {
        threads::share(first, shares, |(worker, chunks)| run(worker, chunks));
    }
}

/// The number of the worker that owns each chunk, of `count`. Ascending.
fn owners(slots: &[u32], count: usize, arena: &Arena) -> Vec<usize> {
    let mut events = vec![0; arena.chunks()];
    for &slot in slots {
        events[arena.place(slot as usize).0] += 1;
    }
    let mut before = 0;
    for here in &mut events {
        let owner = (before * count / slots.len()).min(count - 1);
        before += std::mem::replace(here, owner);
    }
    events
}

/// Answers a query for each user, with up to `count` threads.
pub(super) fn answer(count: usize, query: &Query<'_>, users: &[User<'_>], rankings: &mut [TopK]) {
    let share = users.len().div_ceil(count.min(1 + query.other_threads()));
    let share = share.next_multiple_of(GROUP_USERS);
    let mut shares = users.chunks(share).zip(rankings.chunks_mut(share));
    let Some(first) = shares.next() else { return };
    threads::share(first, shares, |(users, rankings)| {
        query.answer_each(users.iter().copied(), rankings);
    });
}
