//! The pass over a table: score, filter and rank, block by block.
//!
//! N scores are never written down. A block of 32 is scored in registers (or, in an 8-bit table,
//! bounded from above) and compared with the bar that the best so far set; only the lanes that
//! reach it are looked up in the lists, scored and ranked.

use super::blocks::Blocks;
use super::filter::Excluded;
use super::ranking::{Ranking, Scored};
use crate::kernels::block_scores::BLOCK;
use crate::simd::{Kernel, LANES, ROW_VECTORS, Row, Simd};

/// A table to scan, and which items to look at. Items ascend with their position in the table.
#[derive(Clone, Copy)]
pub(super) struct Part<'a, B> {
    pub(super) blocks: B,
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

impl<B> Part<'_, B> {
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

    /// The blocks to look at, and the lanes of each.
    #[inline(always)]
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, u32)> + use<'_, B> {
        let (first, end) = match self.allow {
            None => self.range,
            Some(_) => (0, 0),
        };
        let whole = (first..end).map(|block| (block, u32::MAX));
        whole.chain(allowed_blocks(self.allow.unwrap_or_default()))
    }

    /// The item at a position.
    #[inline(always)]
    fn item(&self, position: usize) -> u32 {
        let rest = || self.rest + (position - self.items.len()) as u32;
        self.items.get(position).copied().unwrap_or_else(rest)
    }
}

/// The pass over a part.
pub(super) struct Scan<'a, B, R> {
    pub(super) part: Part<'a, B>,
    pub(super) excluded: Excluded<'a>,
    pub(super) ranking: &'a mut R,
}

impl<'a, B, R> Scan<'a, B, R> {
    /// A pass that leaves out the items of two ascending lists.
    pub(super) fn new(
        part: Part<'a, B>,
        seen: &'a [u32],
        deny: &'a [u32],
        ranking: &'a mut R,
    ) -> Self {
        Self { part, excluded: Excluded::new(seen, deny), ranking }
    }
}

impl<B: Blocks, R: Ranking> Kernel for Scan<'_, B, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let part = self.part;
        for (block, lanes) in part.wanted() {
            self.block(simd, block, lanes);
        }
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

impl<B: Blocks, R: Ranking> Scan<'_, B, R> {
    /// Ranks those items of a block, of the given lanes, that are good enough.
    #[inline(always)]
    pub(super) fn block<S: Simd>(&mut self, simd: S, block: usize, lanes: u32) {
        self.consider(simd, block, lanes, self.part.blocks.at_most(simd, block));
    }

    /// The same, given what [`Blocks::at_most`] found.
    #[inline(always)]
    pub(super) fn consider<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, at_most: S::Row) {
        let mut reach = lanes;
        if let Some(bar) = self.ranking.bar() {
            reach &= !S::Row::splat(simd, bar).greater_mask(at_most);
        }
        if reach != 0 {
            let mut stored = [[0.0; LANES]; ROW_VECTORS];
            at_most.store(&mut stored);
            self.rank(simd, block, reach, stored.as_flattened());
        }
    }

    /// Ranks the lanes of a block whose bits are set.
    #[inline(always)]
    pub(super) fn rank<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, at_most: &[f32]) {
        simd.run(Lanes { scan: self, block, lanes, at_most });
    }
}

/// Some lanes of a block, and a number for each of its items that its score does not exceed.
struct Lanes<'s, 'a, B, R> {
    scan: &'s mut Scan<'a, B, R>,
    block: usize,
    lanes: u32,
    at_most: &'s [f32],
}

impl<B: Blocks, R: Ranking> Kernel for Lanes<'_, '_, B, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scan: Scan { part, excluded, ranking }, block, lanes, at_most } = self;
        let mut lanes = lanes & !part.left_out.get(block).copied().unwrap_or(0);
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let position = block * BLOCK + lane;
            if position >= part.len {
                return; // the padding of the last block
            }
            let item = part.item(position);
            if ranking.admits(Scored { item, score: at_most[lane] }) && !excluded.contains(item) {
                let score = part.blocks.score(simd, position, at_most[lane]);
                ranking.push(Scored { item, score });
            }
        }
    }
}
