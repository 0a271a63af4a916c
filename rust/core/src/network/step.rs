//! Appends one event to each of several users.

use super::scratch::Scratch;
use super::users::{Arrival, Users};
use crate::aligned::AlignedBuf;
use crate::kernels::{add_assign, rotary};
use crate::model::{Network, Order, View};
use crate::simd::{Kernel, Simd};

pub(crate) struct Step<'a> {
    pub(crate) network: &'a Network,
    pub(crate) catalog: View<'a>,
    /// The events, at most one per user. No more than the scratch has room for.
    pub(crate) tile: &'a [Arrival],
    /// The events of the next tile, whose states are prefetched.
    pub(crate) next: &'a [Arrival],
    /// Per user, the states of all blocks followed by the hidden vector.
    pub(crate) chunks: &'a mut [AlignedBuf],
    pub(crate) scratch: &'a mut Scratch,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.embed(simd);
        self.blocks(simd);
        if let Some(norm) = &self.network.final_norm {
            let size = norm.size();
            let normed = self.scratch.normed.chunks_exact_mut(size);
            for (arrival, normed) in self.tile.iter().zip(normed) {
                let hidden = &mut arrival.state(self.chunks)[self.network.state_len..][..size];
                normed.copy_from_slice(hidden);
                norm.apply(simd, normed, hidden);
            }
        }
    }
}

impl Step<'_> {
    /// Computes the input of the first block, and the rotations.
    #[inline(always)]
    fn embed<S: Simd>(&mut self, simd: S) {
        let norm = &self.network.input_norm;
        let size = norm.size();
        let Scratch { normed, cos, sin, .. } = &mut *self.scratch;
        for (u, arrival) in self.tile.iter().enumerate() {
            let user = u * size..(u + 1) * size;
            let normed = &mut normed[user.clone()];
            self.catalog.embedding(simd, arrival.item as usize, normed);
            if let (Some(weight), Some(kind)) = (&self.network.kinds, arrival.kind) {
                add_row(simd, normed, weight, kind.index().into());
            }
            if let (Some(weight), Some(gap)) = (&self.network.gaps, arrival.gap) {
                add_row(simd, normed, weight, gap.row());
            }
            match &self.network.order {
                Order::Rotary(frequency) => {
                    let (cos, sin) = (&mut cos[user.clone()], &mut sin[user]);
                    rotary::fill(simd, arrival.position, frequency, cos, sin);
                }
                Order::Learned(weight) => {
                    let last = weight.len() / size - 1;
                    let row = usize::try_from(arrival.position).map_or(last, |row| row.min(last));
                    add_row(simd, normed, weight, row);
                }
                Order::None => {}
            }
            let hidden = &mut arrival.state(self.chunks)[self.network.state_len..][..size];
            norm.apply(simd, normed, hidden);
        }
    }

    #[inline(always)]
    fn blocks<S: Simd>(&mut self, simd: S) {
        let blocks = &self.network.blocks;
        let state_len = self.network.state_len;
        let part = state_len / blocks.len();
        for (index, block) in blocks.iter().enumerate() {
            let last = index + 1 == blocks.len();
            let mut users = Users {
                tile: self.tile,
                chunks: self.chunks,
                part: index * part..(index + 1) * part,
                hidden: state_len,
                rotates: matches!(self.network.order, Order::Rotary(_)),
                next: match self.tile {
                    _ if last => (self.next, 0),
                    [_] => (&[], 0), // a single state stays in the cache
                    tile => (tile, (index + 1) * part),
                },
            };
            block.step(simd, &mut users, self.scratch);
        }
    }
}

/// Adds a row of a matrix to a vector of its width.
#[inline(always)]
fn add_row<S: Simd>(simd: S, to: &mut [f32], matrix: &[f32], row: usize) {
    let row = row * to.len()..(row + 1) * to.len();
    add_assign(simd, to, &matrix[row]);
}
