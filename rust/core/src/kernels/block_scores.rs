//! Scores of one catalogue block: 32 items against one or several hidden vectors.

use super::element::Element;
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
    mut hidden: [&[f32]; U],
) -> [S::Row; U] {
    for hidden in &mut hidden {
        *hidden = &hidden[..block.len()];
    }
    let mut sums = [S::Row::splat(simd, 0.0); U];
    for (i, features) in block.iter().enumerate() {
        let features = E::load_row(simd, features);
        for u in 0..U {
            sums[u] = sums[u] + features * S::Row::splat(simd, hidden[u][i]);
        }
    }
    sums
}
