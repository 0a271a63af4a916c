//! The first blocks of a scan, before there is a threshold.
//!
//! A scan that starts without a threshold scores many items that later ones displace. So the score
//! bounds of the first blocks are computed and stored, a few kilobytes. Of the maxima of each lane
//! over the blocks, the k-th best is a threshold that at least k items reach. These are scored and
//! ranked first, then the remaining items that reach the resulting threshold.

use std::ops::Range;

use super::ranking::Ranking;
use super::scan::Scan;
use crate::kernels::block_scores::{BLOCK, Features};
use crate::model::Numbers;
use crate::simd::{Kernel, LANES, ROW_LANES, ROW_VECTORS, Row, Simd};

/// The maximum number of blocks. Their bounds take 16 KiB, about half of the L1 cache.
const FIRST_BLOCKS: usize = 128;

/// The bound of an item that must not be returned.
const EXCLUDED: f32 = f32::NEG_INFINITY;

/// A scan of the model's table, where positions are items, that starts with a first pass.
pub(super) struct FirstPass<'a, N, R> {
    pub(super) scan: Scan<'a, N, R>,
    /// A reusable buffer: upper bounds on the scores of the first blocks.
    pub(super) bounds: &'a mut Vec<Features<f32>>,
}

impl<N: Numbers, R: Ranking> Kernel for FirstPass<'_, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (first, end) = self.scan.part.range;
        let stop = end.min(first + FIRST_BLOCKS);
        self.bounds.clear();
        self.bounds.reserve(stop - first); // for every query, so that none allocates later
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
    /// Ranks the items of `blocks`. Does nothing and returns false if fewer than k lanes hold an
    /// item that may be returned.
    #[inline(always)]
    fn ranked<S: Simd>(&mut self, simd: S, blocks: Range<usize>, k: usize) -> bool {
        self.bounds.resize(blocks.len(), [[0.0; LANES]; ROW_VECTORS]);
        for (block, bounds) in blocks.clone().zip(&mut *self.bounds) {
            let [upper] = self.scan.part.numbers.upper_bounds(simd, block, [self.scan.hidden]);
            upper.store(bounds);
        }
        self.exclude(&blocks);
        let threshold = kth_best(simd, self.maxima(simd), k);
        if threshold == EXCLUDED {
            return false;
        }
        // Excluded items are below the threshold, so the lists need not be searched.
        let excluded = std::mem::take(&mut self.scan.excluded);
        self.rank(simd, &blocks, None, threshold);
        self.scan.excluded = excluded;
        if let Some(reached) = self.scan.ranking.threshold()
            && reached < threshold
        {
            self.rank(simd, &blocks, Some(threshold), reached);
        }
        true
    }

    /// Sets the bounds of the items that must not be returned.
    #[inline(always)]
    fn exclude(&mut self, blocks: &Range<usize>) {
        let Scan { part, excluded, .. } = &self.scan;
        let bounds = self.bounds.as_flattened_mut().as_flattened_mut();
        for (&mask, bounds) in part.masks.iter().skip(blocks.start).zip(bounds.chunks_mut(BLOCK)) {
            let masked = |&(lane, _): &(usize, _)| mask >> lane & 1 != 0;
            bounds.iter_mut().enumerate().filter(masked).for_each(|(_, bound)| *bound = EXCLUDED);
        }
        let first = blocks.start * BLOCK;
        let end = part.len.min(blocks.end * BLOCK);
        bounds[end - first..].fill(EXCLUDED); // the padding of the last block
        for item in excluded.before(end as u32) {
            if let Some(position) = (item as usize).checked_sub(first) {
                bounds[position] = EXCLUDED;
            }
        }
    }

    #[inline(always)]
    fn maxima<S: Simd>(&self, simd: S) -> S::Row {
        let mut maxima = [S::Row::splat(simd, EXCLUDED); 2];
        for pair in self.bounds.chunks(2) {
            for (maximum, bounds) in maxima.iter_mut().zip(pair) {
                let bounds = S::Row::load(simd, bounds);
                *maximum = bounds.select_greater(*maximum, bounds, *maximum);
            }
        }
        let [even, odd] = maxima;
        even.select_greater(odd, even, odd)
    }

    /// Ranks the items with bounds in from..below. Infinite bounds are valid: large values in an
    /// 8-bit table have them.
    #[inline(always)]
    fn rank<S: Simd>(&mut self, simd: S, blocks: &Range<usize>, below: Option<f32>, from: f32) {
        for block in 0..self.bounds.len() {
            let bounds = self.bounds[block];
            let row = S::Row::load(simd, &bounds);
            let mut lanes = !S::Row::splat(simd, from).greater_mask(row);
            if let Some(below) = below {
                lanes &= S::Row::splat(simd, below).greater_mask(row);
            }
            if lanes != 0 {
                self.scan.rank(simd, blocks.start + block, lanes, bounds.as_flattened());
            }
        }
    }
}

/// The k-th best of 32 numbers. None may be NaN.
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
