//! The users of a tile, and where their numbers are.

use std::ops::Range;

use crate::kernels::lanes;
use crate::simd::Simd;

/// An event on its way into a user's history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// It exists.
    pub(crate) item: u32,
    /// Events of this user before it.
    pub(crate) position: u64,
    /// Where the user's numbers begin in [`Step::states`](super::Step::states).
    pub(crate) at: usize,
}

/// The users of a tile, as one block sees them.
pub(super) struct Users<'a> {
    pub(super) tile: &'a [Arrival],
    /// The numbers of all users.
    pub(super) states: &'a mut [f32],
    /// This block's part of a user's numbers.
    pub(super) part: Range<usize>,
    /// Where a user's hidden vector begins.
    pub(super) hidden: usize,
    pub(super) rotates: bool,
    /// Whose states are worked on after these, and where that part begins.
    pub(super) next: (&'a [Arrival], usize),
}

impl Users<'_> {
    #[inline(always)]
    pub(super) fn hidden(&mut self, user: usize, size: usize) -> &mut [f32] {
        &mut self.states[self.tile[user].at + self.hidden..][..size]
    }

    #[inline(always)]
    pub(super) fn state(&mut self, user: usize) -> &mut [f32] {
        &mut self.states[self.tile[user].at..][self.part.clone()]
    }

    /// Asks for the state that is worked on after that of `user`: somewhere in gigabytes, it takes
    /// longer to arrive than an activation does.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd>(&self, simd: S, user: usize) {
        let (next, part) = self.next;
        if let Some(arrival) = next.get(user) {
            let state = &self.states[arrival.at + part..][..self.part.len()];
            lanes(state).as_chunks().0.iter().for_each(|line| simd.prefetch(line));
        }
    }
}
