//! What a scan goes over: a table, or a shard of it, and which of its items.

use super::filter::Lists;
use super::query::Query;
use crate::kernels::block_scores::BLOCK;
use crate::model::{Floats, View};

/// A table to scan, and which items to look at. Items ascend with their position in the table.
#[derive(Clone, Copy)]
pub(super) struct Part<'a, N> {
    pub(super) numbers: N,
    /// Positions in the table.
    pub(super) len: usize,
    /// The items at the first positions.
    pub(super) items: &'a [u32],
    /// The item that follows them; from it on, items have no gaps.
    pub(super) rest: u32,
    /// The first block to look at, and the end.
    pub(super) range: (usize, usize),
    /// Ascending positions within the range, where only these may be returned.
    pub(super) allow: Option<&'a [u32]>,
    /// For each block, a bit for each lane to leave out; empty where there are none.
    pub(super) left_out: &'a [u32],
}

/// One of so many pieces of about the same size.
#[derive(Clone, Copy)]
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) count: usize,
}

impl Shard {
    /// The only piece.
    pub(super) const WHOLE: Self = Self { index: 0, count: 1 };
}

impl<'a, N> Part<'a, N> {
    /// The model's table.
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
            left_out: overlay.map_or(&[], |overlay| &overlay.base_left_out),
        }
    }

    /// A piece of the whole part.
    pub(super) fn shard(self, Shard { index, count }: Shard) -> Self {
        let blocks = self.len.div_ceil(BLOCK);
        let range @ (first, end) = (blocks * index / count, blocks * (index + 1) / count);
        let before = |block: usize| move |&position: &u32| (position as usize) < block * BLOCK;
        let allow = self.allow.map(|allow| {
            &allow[allow.partition_point(before(first))..allow.partition_point(before(end))]
        });
        Self { range, allow, ..self }
    }

    /// Positions within the range, those behind the last item included.
    pub(super) fn positions(&self) -> usize {
        (self.range.1 - self.range.0) * BLOCK
    }

    /// The blocks to look at, and the lanes of each.
    #[inline(always)]
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, u32)> + use<'_, 'a, N> {
        let (first, end) = match self.allow {
            None => self.range,
            Some(_) => (0, 0),
        };
        let whole = (first..end).map(|block| (block, u32::MAX));
        whole.chain(allowed_blocks(self.allow.unwrap_or_default()))
    }

    /// The item at a position.
    #[inline(always)]
    pub(super) fn item(&self, position: usize) -> u32 {
        let rest = || self.rest + (position - self.items.len()) as u32;
        self.items.get(position).copied().unwrap_or_else(rest)
    }
}

impl<'a> Part<'a, Floats<'a, f32>> {
    /// The overlay's table, if there is one.
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
            left_out: &overlay.rows_left_out,
        })
    }
}

/// The blocks that ascending positions lie in, and the lanes of each.
#[inline(always)]
fn allowed_blocks(positions: &[u32]) -> impl Iterator<Item = (usize, u32)> {
    let block = |position: u32| position as usize / BLOCK;
    positions.chunk_by(move |&a, &b| block(a) == block(b)).map(move |positions| {
        let lane = |&position: &u32| 1 << (position as usize % BLOCK);
        (block(positions[0]), positions.iter().map(lane).fold(0, |lanes, lane| lanes | lane))
    })
}
