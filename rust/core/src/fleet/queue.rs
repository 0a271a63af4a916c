//! The order in which the events of a call are worked on.

use bytemuck::allocation::try_zeroed_vec;

use super::arena::Arena;
use crate::network::Arrival;

/// Users whose events go through the network together: enough that each weight is loaded for many,
/// and few enough that what the layers hand on stays in the fastest cache.
pub(super) const TILE: usize = 16;

/// The events of a call, as tiles in which no user occurs twice.
///
/// The first events of all users come first, then the second ones, and so on: users do not depend
/// on each other, and the events of each keep their order.
#[derive(Debug)]
pub(super) struct Queue {
    /// The round of each event, and its place in the call.
    order: Vec<(usize, usize)>,
    /// In the same order.
    arrivals: Vec<Arrival>,
    /// Events of each user so far, while the rounds are counted; zeros otherwise.
    counts: Vec<usize>,
}

impl Queue {
    /// A queue for users below a capacity, where there is memory for it.
    pub(super) fn new(capacity: usize) -> Option<Self> {
        let counts = try_zeroed_vec(capacity).ok()?;
        Some(Self { order: Vec::new(), arrivals: Vec::new(), counts })
    }

    /// Takes the events of a call, of users that have had `events` before.
    pub(super) fn fill(&mut self, users: &[u32], items: &[u32], events: &[u64], arena: &Arena) {
        self.order.clear();
        let mut rounds = 0;
        for (place, &user) in users.iter().enumerate() {
            let round = &mut self.counts[user as usize];
            self.order.push((*round, place));
            *round += 1;
            rounds = rounds.max(*round);
        }
        if rounds > 1 {
            self.order.sort_unstable();
        }
        self.arrivals.clear();
        self.arrivals.extend(self.order.iter().map(|&(round, place)| {
            let user = users[place] as usize;
            let position = events[user].saturating_add(round as u64);
            Arrival { item: items[place], position, at: arena.at(user) }
        }));
        for &user in users {
            self.counts[user as usize] = 0;
        }
    }

    /// The tiles, in the order to work on them.
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
