//! Scores of items that are named one by one.

use crate::model::View;
use crate::simd::{Kernel, Simd};

/// Scores some items.
pub(crate) struct Scores<'a> {
    pub(crate) catalog: View<'a>,
    pub(crate) hidden: &'a [f32],
    /// They exist.
    pub(crate) items: &'a [u32],
    /// As many as items, to be written.
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
