//! The first blocks of a scan, while nothing is known of how good an item has to be.
//!
//! A scan that starts without a bar scores many items that later ones push out again. So the bounds of
//! the first blocks are all written down, a few kilobytes. Of the maxima over the blocks, one a
//! lane, the k-th best is a bar that at least k items reach: these are scored and ranked first, and
//! then what the bar that they set has left.

use std::ops::Range;

use super::ranking::Ranking;
use super::scan::Scan;
use crate::kernels::block_scores::{BLOCK, Features};
use crate::model::Numbers;
use crate::simd::{Kernel, LANES, ROW_LANES, ROW_VECTORS, Row, Simd};

/// How many blocks, at most: their bounds take 16 KiB, about half of the fastest cache.
const FIRST_BLOCKS: usize = 128;

/// What a lane holds whose item may not be returned.
const LEFT_OUT: f32 = f32::NEG_INFINITY;

/// A scan of the model's table, where positions are items, that begins with its first blocks.
pub(super) struct FirstPass<'a, N, R> {
    pub(super) scan: Scan<'a, N, R>,
    /// Memory that is used again: for each item of the first blocks a number that its score does
    /// not exceed.
    pub(super) bounds: &'a mut Vec<Features<f32>>,
}

impl<N: Numbers, R: Ranking> Kernel for FirstPass<'_, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (first, end) = self.scan.part.range;
        let stop = end.min(first + FIRST_BLOCKS);
        self.bounds.clear();
        self.bounds.reserve(stop - first); // also for a query that has no use for it
        let wanted = self.scan.ranking.wanted().filter(|&k| k <= ROW_LANES);
        if let Some(k) = wanted
            && self.scan.part.allow.is_none()
            && self.ranked(simd, first..stop, k)
        {
            self.scan.part.range = (stop, end);
        }
        self.scan.run(simd);
    }
}

impl<N: Numbers, R: Ranking> FirstPass<'_, N, R> {
    /// Ranks the items of some blocks, unless fewer than k lanes have one that may be returned.
    #[inline(always)]
    fn ranked<S: Simd>(&mut self, simd: S, blocks: Range<usize>, k: usize) -> bool {
        self.bounds.resize(blocks.len(), [[0.0; LANES]; ROW_VECTORS]);
        for (block, bounds) in blocks.clone().zip(&mut *self.bounds) {
            let [at_most] = self.scan.part.numbers.at_most(simd, block, [self.scan.hidden]);
            at_most.store(bounds);
        }
        self.leave_out(&blocks);
        let bar = kth_best(simd, self.maxima(simd), k);
        if bar == LEFT_OUT {
            return false;
        }
        // What may not be returned is below the bar, so the lists need not be asked.
        let excluded = std::mem::take(&mut self.scan.excluded);
        self.rank(simd, &blocks, None, bar);
        self.scan.excluded = excluded;
        if let Some(reached) = self.scan.ranking.bar()
            && reached < bar
        {
            self.rank(simd, &blocks, Some(bar), reached);
        }
        true
    }

    /// Marks what may not be returned.
    #[inline(always)]
    fn leave_out(&mut self, blocks: &Range<usize>) {
        let Scan { part, excluded, .. } = &self.scan;
        let bounds = self.bounds.as_flattened_mut().as_flattened_mut();
        for (&mask, bounds) in part.left_out.iter().skip(blocks.start).zip(bounds.chunks_mut(BLOCK))
        {
            let left_out = |&(lane, _): &(usize, _)| mask >> lane & 1 != 0;
            bounds.iter_mut().enumerate().filter(left_out).for_each(|(_, bound)| *bound = LEFT_OUT);
        }
        let first = blocks.start * BLOCK;
        let end = part.len.min(blocks.end * BLOCK);
        bounds[end - first..].fill(LEFT_OUT); // the padding of the last block
        for item in excluded.before(end as u32) {
            if let Some(position) = (item as usize).checked_sub(first) {
                bounds[position] = LEFT_OUT;
            }
        }
    }

    /// For each lane the best of all blocks.
    #[inline(always)]
    fn maxima<S: Simd>(&self, simd: S) -> S::Row {
        let mut maxima = [S::Row::splat(simd, LEFT_OUT); 2];
        for pair in self.bounds.chunks(2) {
            for (most, bounds) in maxima.iter_mut().zip(pair) {
                let bounds = S::Row::load(simd, bounds);
                *most = bounds.select_greater(*most, bounds, *most);
            }
        }
        let [even, odd] = maxima;
        even.select_greater(odd, even, odd)
    }

    /// Shows the ranking what lies between two numbers, the lower one included. Infinity is a bound
    /// like any other: large numbers in an 8-bit table have it.
    #[inline(always)]
    fn rank<S: Simd>(&mut self, simd: S, blocks: &Range<usize>, below: Option<f32>, from: f32) {
        for at in 0..self.bounds.len() {
            let bounds = self.bounds[at];
            let row = S::Row::load(simd, &bounds);
            let mut lanes = !S::Row::splat(simd, from).greater_mask(row);
            if let Some(below) = below {
                lanes &= S::Row::splat(simd, below).greater_mask(row);
            }
            if lanes != 0 {
                self.scan.rank(simd, blocks.start + at, lanes, bounds.as_flattened());
            }
        }
    }
}

/// The k-th best of 32 numbers, none of which is NaN.
#[inline(always)]
fn kth_best<S: Simd>(simd: S, numbers: S::Row, k: usize) -> f32 {
    let mut each = [[0.0; LANES]; ROW_VECTORS];
    numbers.store(&mut each);
    let mut least = f32::INFINITY;
    for &number in each.as_flattened() {
        let better = numbers.greater_mask(S::Row::splat(simd, number)).count_ones();
        if (better as usize) < k && number < least {
            least = number;
        }
    }
    least
}
