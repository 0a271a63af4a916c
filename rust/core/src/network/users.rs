//! The users of a tile, and their state.

use std::ops::Range;

use crate::Kind;
use crate::aligned::AlignedBuf;
use crate::event::Gap;
use crate::kernels::lanes;
use crate::simd::Simd;

/// An event to be appended to a user's history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Must be a valid item index.
    pub(crate) item: u32,
    /// Must be a kind of the model if it has kinds.
    pub(crate) kind: Option<Kind>,
    /// The time since the event before, if the model uses it.
    pub(crate) gap: Option<Gap>,
    /// The number of earlier events of this user.
    pub(crate) position: u64,
    /// The chunk of [`Step::chunks`](super::Step::chunks) with the user's state.
    pub(crate) chunk: usize,
    /// The offset of the state in the chunk.
    pub(crate) offset: usize,
}

impl Arrival {
    /// The chunk from the user's state on.
    #[inline(always)]
    pub(super) fn state<'a>(&self, chunks: &'a mut [AlignedBuf]) -> &'a mut [f32] {
        &mut chunks[self.chunk][self.offset..]
    }
}

pub(super) struct Users<'a> {
    pub(super) tile: &'a [Arrival],
    pub(super) chunks: &'a mut [AlignedBuf],
    /// The range of this block's state in a user's state.
    pub(super) part: Range<usize>,
    /// The offset of the hidden vector in a user's state.
    pub(super) hidden: usize,
    pub(super) rotates: bool,
    /// The tile to prefetch, and the offset of the block to prefetch in a user's state.
    pub(super) next: (&'a [Arrival], usize),
}

impl Users<'_> {
    #[inline(always)]
    pub(super) fn hidden(&mut self, user: usize, size: usize) -> &mut [f32] {
        &mut self.tile[user].state(self.chunks)[self.hidden..][..size]
    }

    #[inline(always)]
    pub(super) fn state(&mut self, user: usize) -> &mut [f32] {
        &mut self.tile[user].state(self.chunks)[self.part.clone()]
    }

    /// Prefetches the state that is needed after that of `user`. Among gigabytes of states, it
    /// takes longer to arrive than an activation takes to compute.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd>(&self, simd: S, user: usize) {
        let (next, part) = self.next;
        if let Some(arrival) = next.get(user) {
            let state = &self.chunks[arrival.chunk][arrival.offset + part..][..self.part.len()];
            lanes(state).as_chunks().0.iter().for_each(|line| simd.prefetch(line));
        }
    }
}
