//! The pass over a table: score, filter and rank, block by block.
//!
//! N scores are never written down. A block of 32 is scored in registers (or, in an 8-bit table,
//! bounded from above) and compared with the bar that the best so far set; only the lanes that
//! reach it are looked up in the lists, scored and ranked.

use super::filter::Excluded;
use super::part::Part;
use super::ranking::{Ranking, Scored};
use crate::kernels::block_scores::BLOCK;
use crate::model::{Hidden, Numbers};
use crate::simd::{Kernel, LANES, ROW_VECTORS, Row, Simd};

/// The pass over a part, for one user.
pub(super) struct Scan<'a, N, R> {
    pub(super) part: Part<'a, N>,
    pub(super) hidden: Hidden<'a>,
    pub(super) excluded: Excluded<'a>,
    pub(super) ranking: &'a mut R,
}

impl<N: Numbers, R: Ranking> Kernel for Scan<'_, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let part = self.part;
        for (block, lanes) in part.wanted() {
            self.block(simd, block, lanes);
        }
    }
}

impl<N: Numbers, R: Ranking> Scan<'_, N, R> {
    /// Ranks those items of a block, of the given lanes, that are good enough.
    #[inline(always)]
    pub(super) fn block<S: Simd>(&mut self, simd: S, block: usize, lanes: u32) {
        let [at_most] = self.part.numbers.at_most(simd, block, [self.hidden]);
        self.consider(simd, block, lanes, at_most);
    }

    /// The same, given what [`Numbers::at_most`] found.
    #[inline(always)]
    pub(super) fn consider<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, at_most: S::Row) {
        let mut reach = lanes;
        if let Some(bar) = self.ranking.bar() {
            reach &= !S::Row::splat(simd, bar).greater_mask(at_most);
        }
        if reach != 0 {
            let mut stored = [[0.0; LANES]; ROW_VECTORS];
            at_most.store(&mut stored);
            self.rank(simd, block, reach, stored.as_flattened());
        }
    }

    /// Ranks the lanes of a block whose bits are set.
    #[inline(always)]
    pub(super) fn rank<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, at_most: &[f32]) {
        simd.run(RankLanes { scan: self, block, lanes, at_most });
    }
}

/// Some lanes of a block, and a number for each of its items that its score does not exceed.
struct RankLanes<'s, 'a, N, R> {
    scan: &'s mut Scan<'a, N, R>,
    block: usize,
    lanes: u32,
    at_most: &'s [f32],
}

impl<N: Numbers, R: Ranking> Kernel for RankLanes<'_, '_, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scan: Scan { part, hidden, excluded, ranking }, block, lanes, at_most } = self;
        let mut lanes = lanes & !part.left_out.get(block).copied().unwrap_or(0);
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let position = block * BLOCK + lane;
            if position >= part.len {
                return; // the padding of the last block
            }
            let item = part.item(position);
            if ranking.admits(Scored { item, score: at_most[lane] }) && !excluded.contains(item) {
                let score = match N::EXACT {
                    true => at_most[lane],
                    false => part.numbers.score(simd, position, hidden.vector),
                };
                ranking.push(Scored { item, score });
            }
        }
    }
}
