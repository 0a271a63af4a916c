//! Scores of one catalogue block: 32 items against the hidden vector.

use super::element::Element;
use crate::simd::{LANES, ROW_LANES, ROW_VECTORS, Row, Simd};

/// Items in a block, and so the lanes past N that pad the last one.
pub(crate) const BLOCK: usize = ROW_LANES;

/// One feature of the 32 items of a block.
pub(crate) type Features<E> = [[E; LANES]; ROW_VECTORS];

/// The scores of a block's items: 0 + E[0] h[0] + E[1] h[1] + ..., in this order.
#[inline(always)]
pub(crate) fn block_scores<S: Simd, E: Element>(
    simd: S,
    block: &[Features<E>],
    hidden: &[f32],
) -> S::Row {
    let mut sum = S::Row::splat(simd, 0.0);
    for (features, &h) in block.iter().zip(hidden) {
        sum = sum + E::load_row(simd, features) * S::Row::splat(simd, h);
    }
    sum
}
