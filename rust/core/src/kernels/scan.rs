//! Scores of one catalogue block: 32 items against the hidden vector.

use bytemuck::Pod;
use half::f16;

use crate::simd::{LANES, Simd};

/// Items in a block, and so the lanes past N that pad the last one.
pub(crate) const BLOCK: usize = 32;

/// Vectors that hold a block.
pub(crate) const VECTORS: usize = BLOCK / LANES;

/// One feature of the 32 items of a block.
pub(crate) type Row<E> = [[E; LANES]; VECTORS];

/// A number of the catalogue table.
pub(crate) trait Element: Pod {
    /// Eight of them, as f32.
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector;

    /// One, as f32: the same conversion.
    fn to_f32(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector {
        simd.load(from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

/// The bits of a half-precision number.
impl Element for u16 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector {
        simd.load_f16(from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::from_bits(self).to_f32_const()
    }
}

/// The scores of a block's items: 0 + E[0] h[0] + E[1] h[1] + ..., in this order.
#[inline(always)]
pub(crate) fn block_scores<S: Simd, E: Element>(
    simd: S,
    block: &[Row<E>],
    hidden: &[f32],
) -> [S::Vector; VECTORS] {
    let mut sums = [simd.splat(0.0); VECTORS];
    for (row, &h) in block.iter().zip(hidden) {
        let h = simd.splat(h);
        for w in 0..VECTORS {
            sums[w] = sums[w] + E::load(simd, &row[w]) * h;
        }
    }
    sums
}
