//! Scores of individual items.

use crate::model::View;
use crate::simd::{Kernel, Simd};

pub(crate) struct Scores<'a> {
    pub(crate) catalog: View<'a>,
    pub(crate) hidden: &'a [f32],
    /// Must be valid item indices.
    pub(crate) items: &'a [u32],
    /// The output, as long as `items`.
    pub(crate) scores: &'a mut [f32],
}

impl Kernel for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (score, &item) in self.scores.iter_mut().zip(self.items) {
            *score = self.catalog.score(simd, item as usize, self.hidden);
        }
    }
}
