//! The processing order of the events of a call.

use super::arena::Arena;
use super::record::Record;
use crate::Event;
use crate::event::Gap;
use crate::network::Arrival;

/// Users per tile, whose events pass through the network together. Large enough that each weight is
/// loaded for many, and small enough that activations stay in the L1 cache.
pub(super) const TILE: usize = 16;

/// Events that are put in order at once, which bounds the memory of a large call.
pub(super) const PIECE: usize = 1 << 14;

/// The events of a piece of a call, in tiles with at most one event per user.
///
/// The first events of all users come first, then the second ones, and so on. Users are
/// independent, and the events of each user keep their order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The round of each event, its index in the piece, and the time since the event before.
    order: Vec<(usize, usize, Option<Gap>)>,
    arrivals: Vec<Arrival>,
}

impl Queue {
    /// Takes the events of a piece at some indices, all of a user or none. The arrivals count
    /// chunks of the arena from `first` on.
    pub(super) fn fill<E: Copy + Into<Event>>(
        &mut self,
        (slots, events): (&[u32], &[E]),
        indices: impl IntoIterator<Item = usize>,
        records: &mut [Record],
        arena: &Arena,
        first: usize,
    ) {
        self.order.clear();
        let mut rounds = 0;
        for index in indices {
            let Event { time, .. } = events[index].into();
            let (round, gap) = records[slots[index] as usize].queue(time);
            self.order.push((round, index, gap));
            rounds = rounds.max(round + 1);
        }
        if rounds > 1 {
            self.order.sort_unstable();
        }
        self.arrivals.clear();
        self.arrivals.extend(self.order.iter().map(|&(round, index, gap)| {
            let slot = slots[index] as usize;
            let position = records[slot].events.saturating_add(round as u64);
            let (chunk, offset) = arena.place(slot);
            let Event { item, kind, .. } = events[index].into();
            Arrival { item, kind, gap, position, chunk: chunk - first, offset }
        }));
        for &(_, index, _) in &self.order {
            records[slots[index] as usize].queued = 0;
        }
    }

    pub(super) fn tiles(&self) -> impl Iterator<Item = &[Arrival]> {
        let rounds = self.order.chunk_by(|(a, ..), (b, ..)| a == b);
        let mut rest = &self.arrivals[..];
        rounds.flat_map(|round| round.chunks(TILE)).map(move |tile| {
            let (tile, after) = rest.split_at(tile.len());
            rest = after;
            tile
        })
    }
}
