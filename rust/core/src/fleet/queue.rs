//! The processing order of the events of a call.

use bytemuck::allocation::try_zeroed_vec;

use super::arena::Arena;
use crate::network::Arrival;

/// Users per tile, whose events pass through the network together. Large enough that each weight is
/// loaded for many, and small enough that activations stay in the L1 cache.
pub(super) const TILE: usize = 16;

/// The events of a call, in tiles with at most one event per user.
///
/// The first events of all users come first, then the second ones, and so on. Users are
/// independent, and the events of each user keep their order.
#[derive(Debug)]
pub(super) struct Queue {
    /// The round of each event, and its index in the call.
    order: Vec<(usize, usize)>,
    arrivals: Vec<Arrival>,
    /// While rounds are counted, the events of each user so far; otherwise zeros.
    counts: Vec<usize>,
}

impl Queue {
    /// Allocates a queue for `capacity` users, or returns `None` if memory is short.
    pub(super) fn new(capacity: usize) -> Option<Self> {
        let counts = try_zeroed_vec(capacity).ok()?;
        Some(Self { order: Vec::new(), arrivals: Vec::new(), counts })
    }

    /// Takes the events of a call. `events` is the number of earlier events of every user.
    pub(super) fn fill(&mut self, users: &[u32], items: &[u32], events: &[u64], arena: &Arena) {
        self.order.clear();
        let mut rounds = 0;
        for (index, &user) in users.iter().enumerate() {
            let round = &mut self.counts[user as usize];
            self.order.push((*round, index));
            *round += 1;
            rounds = rounds.max(*round);
        }
        if rounds > 1 {
            self.order.sort_unstable();
        }
        self.arrivals.clear();
        self.arrivals.extend(self.order.iter().map(|&(round, index)| {
            let user = users[index] as usize;
            let position = events[user].saturating_add(round as u64);
            Arrival { item: items[index], position, offset: arena.offset(user) }
        }));
        for &user in users {
            self.counts[user as usize] = 0;
        }
    }

    pub(super) fn tiles(&self) -> impl Iterator<Item = &[Arrival]> {
        let rounds = self.order.chunk_by(|(a, _), (b, _)| a == b);
        let mut rest = &self.arrivals[..];
        rounds.flat_map(|round| round.chunks(TILE)).map(move |tile| {
            let (tile, after) = rest.split_at(tile.len());
            rest = after;
            tile
        })
    }
}
