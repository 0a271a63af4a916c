//! The first blocks of a scan, before there is a threshold.
//!
//! A scan that starts without a threshold scores many items that later ones displace. So the first
//! blocks are only bounded: the upper bounds are stored, a few kilobytes, and of the lower bounds the
//! maximum of each lane is kept. The k-th best of these is a threshold that at least k items reach.
//! Then the items whose upper bounds reach it are scored and ranked.

use std::array;

use super::filter::Excluded;
use super::part::Part;
use super::scan::Scan;
use crate::kernels::block_scores::{BLOCK, Bounds, Features};
use crate::model::Numbers;
use crate::simd::{Kernel, LANES, ROW_LANES, ROW_VECTORS, Row, Simd};

/// The maximum number of blocks. Their bounds take 16 KiB, about half of the L1 cache.
const FIRST_BLOCKS: usize = 128;

/// The bound of an item that must not be returned.
const EXCLUDED: f32 = f32::NEG_INFINITY;

/// What is stored of the first blocks; a reusable buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstBlocks {
    /// Upper bounds on the scores.
    bounds: Vec<Features<f32>>,
    /// Per block, the lanes of items that must not be returned.
    excluded: Vec<u32>,
}

/// A scan of the model's table, where positions are items, that starts with a first pass.
pub(super) struct FirstPass<'s, 'a, 'k, N> {
    pub(super) scan: Scan<'a, 'k, N>,
    pub(super) buffer: &'s mut FirstBlocks,
}

impl<N: Numbers> Kernel for FirstPass<'_, '_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { mut scan, buffer } = self;
        scan.part =
            first_pass(simd, scan.part, array::from_mut(&mut scan), array::from_mut(buffer));
        scan.run(simd);
    }
}

/// Ranks the items of the first blocks of the model's table, where positions are items, for each of
/// U users. Returns the part that is left.
#[inline(always)]
pub(super) fn first_pass<'a, S: Simd, N: Numbers, const U: usize>(
    simd: S,
    part: Part<'a, N>,
    scans: &mut [Scan<'a, '_, N>; U],
    buffers: &mut [FirstBlocks; U],
) -> Part<'a, N> {
    let (first, end) = part.range;
    let stop = end.min(first + FIRST_BLOCKS);
    for FirstBlocks { bounds, excluded } in &mut *buffers {
        // For every query, so that none allocates later.
        bounds.resize(stop - first, [[0.0; LANES]; ROW_VECTORS]);
        excluded.resize(stop - first, 0);
    }
    let wanted = scans[0].ranking.wanted().filter(|&k| k <= ROW_LANES);
    let (Some(k), None) = (wanted, part.allow) else {
        return part;
    };
    let none = S::Row::splat(simd, EXCLUDED);
    let (mut hidden, mut maxima) = ([scans[0].hidden; U], [none; U]);
    for u in 0..U {
        hidden[u] = scans[u].hidden;
        let excluded = scans[u].excluded;
        exclude(part.masks, part.len, excluded, first, &mut buffers[u].excluded);
    }
    for block in first..stop {
        let bounds = part.numbers.bounds(simd, block, hidden);
        for u in 0..U {
            let excluded = buffers[u].excluded[block - first];
            let Bounds { mut least, mut most } = bounds[u];
            if excluded != 0 {
                least = least.replace(excluded, none);
                most = most.replace(excluded, none);
            }
            maxima[u] = least.larger(maxima[u]);
            most.store(&mut buffers[u].bounds[block - first]);
        }
    }
    for u in 0..U {
        let mut each = [[0.0; LANES]; ROW_VECTORS];
        maxima[u].store(&mut each);
        let least = simd.run(KthBest { numbers: each, k });
        scans[u].first_blocks(simd, first, &buffers[u].bounds, least);
    }
    Part { range: (stop, end), ..part }
}

impl<N: Numbers> Scan<'_, '_, N> {
    /// Ranks the items whose bounds reach `least`, which is that of excluded items if fewer than k
    /// lanes have an item, or nothing is known of the scores. Infinite bounds are valid: large values
    /// in an 8-bit table have them.
    #[inline(always)]
    fn first_blocks<S: Simd>(
        &mut self,
        simd: S,
        first: usize,
        bounds: &[Features<f32>],
        least: f32,
    ) {
        let excluded = self.excluded;
        if least > EXCLUDED {
            self.excluded = Excluded::default(); // they are below `least`
        }
        let mut least = S::Row::splat(simd, least);
        for (block, bounds) in (first..).zip(bounds) {
            let lanes = !least.greater_mask(S::Row::load(simd, bounds));
            if lanes != 0 {
                self.rank(simd, block, lanes, bounds.as_flattened());
                if let Some(threshold) = self.ranking.threshold() {
                    let threshold = S::Row::splat(simd, threshold);
                    least = threshold.larger(least);
                }
            }
        }
        self.excluded = excluded;
    }
}

/// Writes, for each block from `first` on, the lanes that must not be returned. `masks` and `len` are
/// those of the part. Once per query, so it is not compiled for each instruction set.
#[inline(never)]
fn exclude(masks: &[u32], len: usize, excluded: Excluded<'_>, first: usize, lanes: &mut [u32]) {
    match masks.get(first..first + lanes.len()) {
        Some(masks) => lanes.copy_from_slice(masks),
        None => lanes.fill(0),
    }
    let start = first * BLOCK;
    let end = len.min(start + lanes.len() * BLOCK);
    if !end.is_multiple_of(BLOCK) {
        lanes[(end - start) / BLOCK] |= u32::MAX << (end % BLOCK); // the padding
    }
    for item in excluded.before(end as u32) {
        if let Some(position) = (item as usize).checked_sub(start) {
            lanes[position / BLOCK] |= 1 << (position % BLOCK);
        }
    }
}

/// The k-th best of 32 numbers. None may be NaN.
struct KthBest {
    numbers: Features<f32>,
    k: usize,
}

impl Kernel for KthBest {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let row = S::Row::load(simd, &self.numbers);
        let mut least = f32::INFINITY;
        for &number in self.numbers.as_flattened() {
            let better = row.greater_mask(S::Row::splat(simd, number)).count_ones();
            if (better as usize) < self.k && number < least {
                least = number;
            }
        }
        least
    }
}
