//! What the types of numbers have in common.

use crate::kernels::integer_scores::Rounded;
use crate::simd::{GROUP, Simd};

/// The numbers of a table: items by their position, and blocks of 32 of them.
pub(crate) trait Numbers: Copy + Sync {
    /// Whether [`Numbers::at_most`] finds the scores themselves.
    const EXACT: bool;

    /// out = the embedding of an item
    fn embedding<S: Simd>(self, simd: S, item: usize, out: &mut [f32]);

    /// The score of an item: the number that a scan finds for it.
    fn score<S: Simd>(self, simd: S, item: usize, hidden: &[f32]) -> f32;

    /// For each of U hidden vectors and each item of a block, a number that the score does not
    /// exceed.
    fn at_most<S: Simd, const U: usize>(
        self,
        simd: S,
        block: usize,
        hidden: [Hidden<'_>; U],
    ) -> [S::Row; U];
}

/// A hidden vector, ready for a scan.
#[derive(Clone, Copy)]
pub(crate) struct Hidden<'a> {
    pub(crate) vector: &'a [f32],
    /// For numbers that are not exact.
    pub(super) rounded: Rounded<'a>,
}

impl<'a> Hidden<'a> {
    /// Makes one ready for numbers of type N; `codes` is overwritten.
    pub(crate) fn new<N: Numbers>(vector: &'a [f32], codes: &'a mut Vec<[i8; GROUP]>) -> Self {
        let rounded = if N::EXACT { Rounded::default() } else { Rounded::new(vector, codes) };
        Self { vector, rounded }
    }
}
