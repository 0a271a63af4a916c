//! The table as the scan reads it: block by block, for one hidden vector.

use crate::kernels::block_scores::{BLOCK, Features, block_scores};
use crate::kernels::element::Element;
use crate::kernels::integer_scores::{Rounded, item_score};
use crate::simd::{GROUP, GroupRow, LANES, ROW_VECTORS, Row, Simd};

/// A table and a hidden vector: what an item's score is.
pub(crate) trait Blocks: Copy + Sync {
    /// For each item of a block, a number that its score does not exceed.
    fn at_most<S: Simd>(&self, simd: S, block: usize) -> S::Row;

    /// The same for several hidden vectors.
    #[inline(always)]
    fn at_most_each<S: Simd, const U: usize>(
        these: [&Self; U],
        simd: S,
        block: usize,
    ) -> [S::Row; U] {
        let mut rows = [S::Row::splat(simd, 0.0); U];
        for u in 0..U {
            rows[u] = these[u].at_most(simd, block);
        }
        rows
    }

    /// The score of an item, given what [`Blocks::at_most`] found for it.
    fn score<S: Simd>(&self, simd: S, item: usize, at_most: f32) -> f32;
}

/// A table of floating-point numbers.
#[derive(Clone, Copy)]
pub(super) struct Floats<'a, E> {
    pub(super) features: &'a [Features<E>],
    pub(super) hidden: &'a [f32],
}

impl<E: Element> Blocks for Floats<'_, E> {
    #[inline(always)]
    fn at_most<S: Simd>(&self, simd: S, block: usize) -> S::Row {
        let size = self.hidden.len();
        let [row] = block_scores(simd, &self.features[block * size..][..size], [self.hidden]);
        row
    }

    #[inline(always)]
    fn at_most_each<S: Simd, const U: usize>(
        these: [&Self; U],
        simd: S,
        block: usize,
    ) -> [S::Row; U] {
        let size = these[0].hidden.len();
        let mut hidden: [&[f32]; U] = [&[]; U];
        for u in 0..U {
            hidden[u] = these[u].hidden;
        }
        block_scores(simd, &these[0].features[block * size..][..size], hidden)
    }

    #[inline(always)]
    fn score<S: Simd>(&self, _simd: S, _item: usize, at_most: f32) -> f32 {
        at_most
    }
}

/// A table of 8-bit integers and a scale an item.
#[derive(Clone, Copy)]
pub(super) struct Integers<'a> {
    pub(super) groups: &'a [GroupRow],
    pub(super) scales: &'a [[[f32; LANES]; ROW_VECTORS]],
    pub(super) hidden: &'a [f32],
    pub(super) rounded: Rounded<'a>,
}

impl Integers<'_> {
    #[inline(always)]
    fn block(&self, block: usize) -> &[GroupRow] {
        let groups = self.hidden.len() / GROUP;
        &self.groups[block * groups..(block + 1) * groups]
    }
}

impl Blocks for Integers<'_> {
    #[inline(always)]
    fn at_most<S: Simd>(&self, simd: S, block: usize) -> S::Row {
        self.rounded.at_most(simd, self.block(block), &self.scales[block])
    }

    #[inline(always)]
    fn score<S: Simd>(&self, simd: S, item: usize, _at_most: f32) -> f32 {
        let scale = self.scales.as_flattened().as_flattened()[item];
        item_score(simd, self.block(item / BLOCK), item % BLOCK, scale, self.hidden)
    }
}
