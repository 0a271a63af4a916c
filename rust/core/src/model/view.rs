//! The vectors of the catalogue, under one overlay or none.

use super::overlay::{Overlay, Rows, check_items};
use super::table::{Numbers, Table, Visitor};
use crate::Result;
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    pub(crate) file: &'a [u8],
    /// N, the number of items in the file.
    pub(crate) num_items: usize,
    pub(crate) overlay: Option<&'a Overlay>,
}

impl View<'_> {
    pub(crate) fn len(&self) -> usize {
        self.num_items + self.overlay.map_or(0, Overlay::num_added)
    }

    pub(crate) fn check(&self, items: impl IntoIterator<Item = u32>) -> Result<()> {
        check_items(items, self.len())
    }

    #[inline(always)]
    pub(crate) fn embedding<S: Simd>(&self, simd: S, item: usize, out: &mut [f32]) {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().embedding(simd, row, out),
            None => self.table.visit(self.file, Embedding { simd, item, out }),
        }
    }

    /// The score of an item, with the bits that a scan computes.
    #[inline(always)]
    pub(crate) fn score<S: Simd>(&self, simd: S, item: usize, hidden: &[f32]) -> f32 {
        match self.row_of(item) {
            Some((rows, row)) => rows.numbers().score(simd, row, hidden),
            None => self.table.visit(self.file, Score { simd, item, hidden }),
        }
    }

    #[inline(always)]
    fn row_of(&self, item: usize) -> Option<(&Rows, usize)> {
        let rows = self.overlay?.rows();
        rows.row_of(item as u32).map(|row| (rows, row))
    }
}

/// Writes the vectors of items, which have to be valid, to `out` [n, D].
pub(crate) struct Vectors<'a> {
    pub(crate) view: View<'a>,
    pub(crate) items: &'a [u32],
    pub(crate) out: &'a mut [f32],
}

impl Kernel for Vectors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let size = self.out.len() / self.items.len().max(1);
        for (&item, out) in self.items.iter().zip(self.out.chunks_exact_mut(size.max(1))) {
            self.view.embedding(simd, item as usize, out);
        }
    }
}

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
