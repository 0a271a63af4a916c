//! The part of the catalogue that a scan covers: a table, or a shard of one.

use super::filter::Lists;
use super::query::Query;
use crate::kernels::block_scores::BLOCK;
use crate::model::{Floats, View};

/// A table to scan, and the items to consider. Items ascend with their position in the table.
#[derive(Clone, Copy)]
pub(super) struct Part<'a, N> {
    pub(super) numbers: N,
    /// The number of positions in the table.
    pub(super) len: usize,
    /// The items at the first positions. The items after them are consecutive.
    pub(super) items: &'a [u32],
    /// The first of the consecutive items.
    pub(super) rest: u32,
    pub(super) range: (usize, usize),
    /// With an allow list, its positions within the range, ascending.
    pub(super) allow: Option<&'a [u32]>,
    /// For each block, a bit per lane to skip. Empty if no lane is skipped.
    pub(super) masks: &'a [u32],
}

/// One of `count` shards of about the same size.
#[derive(Clone, Copy)]
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) count: usize,
}

impl Shard {
    pub(super) const WHOLE: Self = Self { index: 0, count: 1 };
}

impl<'a, N> Part<'a, N> {
    pub(super) fn base(query: &Query<'a>, lists: &'a Lists, numbers: N) -> Self {
        let View { num_items, overlay, .. } = query.catalog;
        let end = lists.allow.partition_point(|&item| (item as usize) < num_items);
        Self {
            numbers,
            len: num_items,
            range: (0, num_items.div_ceil(BLOCK)),
            items: &[],
            rest: 0,
            allow: query.filter.allow.map(|_| &lists.allow[..end]),
            masks: overlay.map_or(&[], |overlay| &overlay.base_masks),
        }
    }

    /// A shard of the whole part.
    pub(super) fn shard(self, Shard { index, count }: Shard) -> Self {
        let blocks = self.len.div_ceil(BLOCK);
        let range @ (first, end) = (blocks * index / count, blocks * (index + 1) / count);
        let before = |block: usize| move |&position: &u32| (position as usize) < block * BLOCK;
        let allow = self.allow.map(|allow| {
            &allow[allow.partition_point(before(first))..allow.partition_point(before(end))]
        });
        Self { range, allow, ..self }
    }

    /// Positions within the range, including the padding of the last block.
    pub(super) fn positions(&self) -> usize {
        (self.range.1 - self.range.0) * BLOCK
    }

    /// The blocks to scan, and the lanes of each.
    #[inline(always)]
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, u32)> + use<'_, 'a, N> {
        let (first, end) = match self.allow {
            None => self.range,
            Some(_) => (0, 0),
        };
        let whole = (first..end).map(|block| (block, u32::MAX));
        whole.chain(allowed_blocks(self.allow.unwrap_or_default()))
    }

    #[inline(always)]
    pub(super) fn item(&self, position: usize) -> u32 {
        let rest = || self.rest + (position - self.items.len()) as u32;
        self.items.get(position).copied().unwrap_or_else(rest)
    }
}

impl<'a> Part<'a, Floats<'a, f32>> {
    pub(super) fn overlay(query: &Query<'a>, lists: &'a Lists) -> Option<Self> {
        let overlay = query.catalog.overlay?;
        let rows = overlay.rows();
        Some(Self {
            numbers: rows.numbers(),
            len: rows.len(),
            range: (0, rows.len().div_ceil(BLOCK)),
            items: rows.replaced(),
            rest: rows.num_items(),
            allow: query.filter.allow.map(|_| &lists.allow_rows[..]),
            masks: &overlay.row_masks,
        })
    }
}

/// Groups ascending positions by block: the blocks, and the lanes of each.
#[inline(always)]
fn allowed_blocks(positions: &[u32]) -> impl Iterator<Item = (usize, u32)> {
    let block = |position: u32| position as usize / BLOCK;
    positions.chunk_by(move |&a, &b| block(a) == block(b)).map(move |positions| {
        let lane = |&position: &u32| 1 << (position as usize % BLOCK);
        (block(positions[0]), positions.iter().map(lane).fold(0, |lanes, lane| lanes | lane))
    })
}
