//! The vectors of an overlay.

use crate::aligned::AlignedBuf;
use crate::kernels::block_scores::BLOCK;
use crate::model::table::Floats;

/// A row per vector, in blocks of 32 as in an f32 table: first those of replaced items, ascending,
/// then those of added items. So rows are ordered by item.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    num_items: u32,
    size: usize,
    replaced: Vec<u32>,
    added: usize,
    /// `[ceil(rows / 32), D, 32]`
    numbers: AlignedBuf,
}

impl Rows {
    pub(super) fn new(num_items: usize, size: usize) -> Self {
        let numbers = AlignedBuf::zeros(0);
        Self { num_items: num_items as u32, size, replaced: Vec::new(), added: 0, numbers }
    }

    /// N, the index of the first added item.
    pub(crate) fn num_items(&self) -> u32 {
        self.num_items
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn len(&self) -> usize {
        self.replaced.len() + self.added
    }

    /// The items of the first rows. The others are the added items, in order.
    pub(crate) fn replaced(&self) -> &[u32] {
        &self.replaced
    }

    pub(crate) fn row_of(&self, item: u32) -> Option<usize> {
        match item.checked_sub(self.num_items) {
            Some(added) => Some(self.replaced.len() + added as usize),
            None => self.replaced.binary_search(&item).ok(),
        }
    }

    #[inline(always)]
    pub(crate) fn numbers(&self) -> Floats<'_, f32> {
        Floats::new(&self.numbers)
    }

    pub(super) fn vector(&self, row: usize) -> impl Iterator<Item = f32> {
        self.numbers().column(self.size, row)
    }

    /// Adds or replaces the vectors of items, `[n, D]`. New items must follow the last one
    /// consecutively.
    pub(super) fn with(&self, changed: &[u32], vectors: &[f32]) -> Self {
        let added = self.num_items..self.num_items + self.added as u32;
        let mut items: Vec<_> = self.replaced.iter().copied().chain(added).collect();
        items.extend_from_slice(changed);
        items.sort_unstable();
        items.dedup();
        let mut numbers = AlignedBuf::zeros(items.len().div_ceil(BLOCK) * BLOCK * self.size);
        let mut column = vec![0.0; self.size];
        for (row, &item) in items.iter().enumerate() {
            if let Some(from) = self.row_of(item).filter(|&from| from < self.len()) {
                column.clear();
                column.extend(self.vector(from));
                put(&mut numbers, row, &column);
            }
        }
        for (item, vector) in changed.iter().zip(vectors.chunks_exact(self.size)) {
            put(&mut numbers, items.partition_point(|before| before < item), vector);
        }
        let replaced = items.partition_point(|&item| item < self.num_items);
        let added = items.len() - replaced;
        items.truncate(replaced);
        Self { num_items: self.num_items, size: self.size, replaced: items, added, numbers }
    }
}

/// Writes a vector into a row of blocks.
fn put(numbers: &mut [f32], row: usize, vector: &[f32]) {
    let block = &mut numbers[row / BLOCK * BLOCK * vector.len()..][..BLOCK * vector.len()];
    let to = block[row % BLOCK..].iter_mut().step_by(BLOCK);
    to.zip(vector).for_each(|(to, &number)| *to = number);
}
