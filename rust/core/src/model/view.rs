//! The vectors of the catalogue as one call sees it: those of the file under one overlay, or none.

use super::overlay::{Overlay, Rows, check_items};
use super::table::{Numbers, Table, Visitor};
use crate::Result;
use crate::simd::Simd;

/// Every item's vector, under an overlay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    /// The model file, where the table is.
    pub(crate) file: &'a [u8],
    /// N, items of the file.
    pub(crate) num_items: usize,
    pub(crate) overlay: Option<&'a Overlay>,
}

impl View<'_> {
    /// Items of the file and added ones.
    pub(crate) fn len(&self) -> usize {
        self.num_items + self.overlay.map_or(0, Overlay::num_added)
    }

    /// Checks that items exist.
    pub(crate) fn check(&self, items: impl IntoIterator<Item = u32>) -> Result<()> {
        check_items(items, self.len())
    }

    /// out = the vector of an item
    #[inline(always)]
    pub(crate) fn embedding<S: Simd>(&self, simd: S, item: usize, out: &mut [f32]) {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().embedding(simd, row, out),
            None => self.table.visit(self.file, Embedding { simd, item, out }),
        }
    }

    /// The score of an item: the number that a scan finds for it.
    #[inline(always)]
    pub(crate) fn score<S: Simd>(&self, simd: S, item: usize, hidden: &[f32]) -> f32 {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().score(simd, row, hidden),
            None => self.table.visit(self.file, Score { simd, item, hidden }),
        }
    }

    /// Where in the overlay the item's vector is, if it is there.
    #[inline(always)]
    fn row_of(&self, item: usize) -> Option<(&Rows, usize)> {
        let rows = self.overlay?.rows();
        rows.row_of(item as u32).map(|row| (rows, row))
    }
}

/// [`Numbers::embedding`]
struct Embedding<'a, S> {
    simd: S,
    item: usize,
    out: &'a mut [f32],
}

impl<S: Simd> Visitor for Embedding<'_, S> {
    type Output = ();

    #[inline(always)]
    fn visit<N: Numbers>(self, numbers: N) {
        numbers.embedding(self.simd, self.item, self.out);
    }
}

/// [`Numbers::score`]
struct Score<'a, S> {
    simd: S,
    item: usize,
    hidden: &'a [f32],
}

impl<S: Simd> Visitor for Score<'_, S> {
    type Output = f32;

    #[inline(always)]
    fn visit<N: Numbers>(self, numbers: N) -> f32 {
        numbers.score(self.simd, self.item, self.hidden)
    }
}
