//! The interface of the element types.

use crate::kernels::integer_scores::QuantizedHidden;
use crate::simd::{GROUP, Simd};

/// The elements of a table, by position and by block of 32 positions.
pub(crate) trait Numbers: Copy + Sync {
    /// Whether [`Numbers::upper_bounds`] returns the scores themselves.
    const EXACT: bool;

    fn embedding<S: Simd>(self, simd: S, item: usize, out: &mut [f32]);

    /// The score of an item, with the bits that a scan computes.
    fn score<S: Simd>(self, simd: S, item: usize, hidden: &[f32]) -> f32;

    /// For each of U hidden vectors, upper bounds on the scores of a block's items.
    fn upper_bounds<S: Simd, const U: usize>(
        self,
        simd: S,
        block: usize,
        hidden: [Hidden<'_>; U],
    ) -> [S::Row; U];
}

/// A hidden vector, prepared for a scan.
#[derive(Clone, Copy)]
pub(crate) struct Hidden<'a> {
    pub(crate) vector: &'a [f32],
    /// Empty for exact elements.
    pub(super) quantized: QuantizedHidden<'a>,
}

impl<'a> Hidden<'a> {
    /// Prepares a vector for elements of type N; overwrites `codes`.
    pub(crate) fn new<N: Numbers>(vector: &'a [f32], codes: &'a mut Vec<[i8; GROUP]>) -> Self {
        let quantized =
            if N::EXACT { QuantizedHidden::default() } else { QuantizedHidden::new(vector, codes) };
        Self { vector, quantized }
    }
}
