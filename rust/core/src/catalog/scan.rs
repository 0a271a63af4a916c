//! Scans a table block by block: scores, filters and ranks.
//!
//! The N scores are never stored. A block of 32 is scored in registers (or, in an 8-bit table,
//! bounded from above) and compared with the threshold set by the best items so far. Only the lanes
//! that reach it are looked up in the lists, scored and ranked.

use super::best::Scored;
use super::filter::Excluded;
use super::part::Part;
use super::ranking::Ranking;
use crate::kernels::block_scores::BLOCK;
use crate::model::{Hidden, Numbers};
use crate::simd::{Kernel, LANES, ROW_VECTORS, Row, Simd};

pub(super) struct Scan<'a, 'k, N> {
    pub(super) part: Part<'a, N>,
    pub(super) hidden: Hidden<'a>,
    pub(super) excluded: Excluded<'a>,
    pub(super) ranking: &'a mut Ranking<'k>,
}

impl<N: Numbers> Kernel for Scan<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let part = self.part;
        for (block, lanes) in part.wanted() {
            self.block(simd, block, lanes);
        }
    }
}

impl<N: Numbers> Scan<'_, '_, N> {
    /// Ranks the items of a block, of the given lanes, that reach the threshold.
    #[inline(always)]
    pub(super) fn block<S: Simd>(&mut self, simd: S, block: usize, lanes: u32) {
        let [bounds] = self.part.numbers.bounds(simd, block, [self.hidden]);
        self.consider(simd, block, lanes, bounds.most);
    }

    /// Like [`Self::block`], given upper bounds on the scores.
    #[inline(always)]
    pub(super) fn consider<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, bounds: S::Row) {
        let mut reach = lanes;
        if let Some(threshold) = self.ranking.threshold() {
            reach &= !S::Row::splat(simd, threshold).greater_mask(bounds);
        }
        if reach != 0 {
            let mut stored = [[0.0; LANES]; ROW_VECTORS];
            bounds.store(&mut stored);
            self.rank(simd, block, reach, stored.as_flattened());
        }
    }

    #[inline(always)]
    pub(super) fn rank<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, bounds: &[f32]) {
        simd.run(RankLanes { scan: self, block, lanes, bounds });
    }
}

/// Some lanes of a block, with an upper bound on each item's score.
struct RankLanes<'s, 'a, 'k, N> {
    scan: &'s mut Scan<'a, 'k, N>,
    block: usize,
    lanes: u32,
    bounds: &'s [f32],
}

impl<N: Numbers> Kernel for RankLanes<'_, '_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scan: Scan { part, hidden, excluded, ranking }, block, lanes, bounds } = self;
        let mut lanes = lanes & !part.masks.get(block).copied().unwrap_or(0);
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let position = block * BLOCK + lane;
            if position >= part.len {
                return; // the padding of the last block
            }
            let item = part.item(position);
            if ranking.admits(Scored { item, score: bounds[lane] }) && !excluded.contains(item) {
                let score = match N::EXACT {
                    true => bounds[lane],
                    false => part.numbers.score(simd, position, hidden.vector),
                };
                ranking.push(Scored { item, score });
            }
        }
    }
}
