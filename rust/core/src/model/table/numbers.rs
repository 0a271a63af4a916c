//! The interface of the element types.

use crate::kernels::block_scores::Bounds;
use crate::kernels::integer_scores::{Quantize, QuantizedHidden};
use crate::simd::{Backend, GROUP, Simd};

/// The elements of a table, by position and by block of 32 positions.
pub(crate) trait Numbers: Copy + Sync {
    /// Whether both of [`Numbers::bounds`] are the scores themselves.
    const EXACT: bool;

    fn embedding<S: Simd>(self, simd: S, item: usize, out: &mut [f32]);

    /// The score of an item, with the bits that a scan computes.
    fn score<S: Simd>(self, simd: S, item: usize, hidden: &[f32]) -> f32;

    /// For each of U hidden vectors, bounds on the scores of a block's items.
    fn bounds<S: Simd, const U: usize>(
        self,
        simd: S,
        block: usize,
        hidden: [Hidden<'_>; U],
    ) -> [Bounds<S::Row>; U];
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
    pub(crate) fn new<N: Numbers>(
        backend: Backend,
        vector: &'a [f32],
        codes: &'a mut Vec<[i8; GROUP]>,
    ) -> Self {
        let quantized = match N::EXACT {
            true => QuantizedHidden::default(),
            false => backend.run(Quantize { hidden: vector, codes }),
        };
        Self { vector, quantized }
    }
}
