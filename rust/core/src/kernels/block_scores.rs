//! Scores of one catalogue block: 32 items against one or several hidden vectors.

use super::element::Element;
use super::products::add_products;
use crate::simd::{LANES, ROW_LANES, ROW_VECTORS, Row, Simd};

/// Items in a block. The last block is padded to it.
pub(crate) const BLOCK: usize = ROW_LANES;

/// One feature of a block's 32 items.
pub(crate) type Features<E> = [[E; LANES]; ROW_VECTORS];

/// Bounds on the scores of a block's items.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<R> {
    pub(crate) least: R,
    pub(crate) most: R,
}

/// The scores of a block's items per hidden vector: 0 + E[0] h[0] + E[1] h[1] + ..., in this order.
#[inline(always)]
pub(crate) fn block_scores<S: Simd, E: Element, const U: usize>(
    simd: S,
    block: &[Features<E>],
    hidden: [&[f32]; U],
) -> [S::Row; U] {
    let mut sums = [[[0.0; LANES]; ROW_VECTORS]; U];
    let rows = block.as_chunks::<1>().0;
    add_products(simd, rows, 0, hidden, sums.as_flattened_mut(), ROW_VECTORS);
    let mut scores = [S::Row::splat(simd, 0.0); U];
    for u in 0..U {
        scores[u] = S::Row::load(simd, &sums[u]);
    }
    scores
}
