//! The best items: score, filter and rank in one pass over the catalogue.
//!
//! N scores are never written down. A block of 32 is scored in registers (or, in an 8-bit table,
//! bounded from above) and compared with the k-th best so far; only the lanes that may beat it are
//! looked up in the lists, scored and ranked.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Table;
use super::blocks::{Blocks, Floats, Integers};
use super::filter::{Excluded, Filter};
use crate::kernels::integer_scan::Rounded;
use crate::kernels::scan::BLOCK;
use crate::simd::{Backend, GROUP, Kernel, LANES, ROW_VECTORS, Row, Simd};

/// An item and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item index.
    pub item: u32,
    /// The score; never NaN.
    pub score: f32,
}

/// A ranking that is used again: after the first query with the largest `k` and the longest lists,
/// [`Session::top_k_into`](crate::Session::top_k_into) allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct TopK {
    items: Vec<Scored>,
    heap: Vec<Ranked>,
    allow: Vec<u32>,
    deny: Vec<u32>,
    pub(super) codes: Vec<[i8; GROUP]>,
}

impl TopK {
    /// An empty ranking.
    pub const fn new() -> Self {
        Self {
            items: Vec::new(),
            heap: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// The items of the last query, the best first.
    pub fn items(&self) -> &[Scored] {
        &self.items
    }

    /// The items of the last query, the best first.
    pub fn into_items(self) -> Vec<Scored> {
        self.items
    }

    /// Answers a query.
    pub(crate) fn answer(&mut self, backend: Backend, query: &Query<'_>) {
        if query.k == 0 {
            return self.items.clear();
        }
        let Query { file, hidden, .. } = *query;
        match query.table {
            Table::F32(table) => {
                self.scan(backend, query, Floats { features: table.features(file), hidden });
            }
            Table::F16(table) => {
                self.scan(backend, query, Floats { features: table.features(file), hidden });
            }
            Table::Int8(table) => {
                let mut codes = std::mem::take(&mut self.codes);
                let rounded = Rounded::new(hidden, &mut codes);
                let (groups, scales) = (table.groups(file), table.scales(file));
                self.scan(backend, query, Integers { groups, scales, hidden, rounded });
                self.codes = codes;
            }
        }
    }

    fn scan<B: Blocks>(&mut self, backend: Backend, query: &Query<'_>, blocks: B) {
        let best = self.start(query.k);
        let Self { allow, deny, .. } = self;
        sort_into(query.filter.deny, deny);
        sort_into(query.filter.allow.unwrap_or_default(), allow);
        let best = backend.run(Scan::new(query, blocks, Lists { allow, deny }, best));
        self.take(best);
    }

    /// Room for the ranking of a query.
    pub(super) fn start(&mut self, k: usize) -> Vec<Ranked> {
        self.items.clear();
        self.items.reserve(k);
        self.heap.clear();
        self.heap.reserve(k);
        std::mem::take(&mut self.heap)
    }

    /// Takes over what a scan found.
    pub(super) fn take(&mut self, best: BinaryHeap<Ranked>) {
        self.heap = best.into_sorted_vec();
        self.items.extend(self.heap.iter().map(|ranked| ranked.0));
    }
}

/// The lists of a filter, ascending.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) allow: &'a [u32],
    pub(super) deny: &'a [u32],
}

/// What [`TopK::answer`] is asked.
pub(crate) struct Query<'a> {
    pub(crate) table: &'a Table,
    /// The model file, where the table is.
    pub(crate) file: &'a [u8],
    pub(crate) hidden: &'a [f32],
    pub(crate) num_items: usize,
    /// How many items to return, at most N.
    pub(crate) k: usize,
    /// Its items exist.
    pub(crate) filter: &'a Filter<'a>,
    /// Ascending.
    pub(crate) seen: &'a [u32],
}

pub(super) fn sort_into(list: &[u32], to: &mut Vec<u32>) {
    to.clear();
    to.extend_from_slice(list);
    to.sort_unstable();
}

/// Ordered by rank: the smallest is the best, so a heap has the worst on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked(Scored);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.0, other.0);
        // Scores are never NaN, so they do compare.
        b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.item.cmp(&b.item))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The pass over the table.
pub(super) struct Scan<'a, B> {
    pub(super) blocks: B,
    pub(super) num_items: usize,
    /// At least 1.
    pub(super) k: usize,
    /// Ascending, where only these may be returned.
    allow: Option<&'a [u32]>,
    seen: Excluded<'a>,
    deny: Excluded<'a>,
    pub(super) best: BinaryHeap<Ranked>,
}

impl<B: Blocks> Kernel for Scan<'_, B> {
    type Output = BinaryHeap<Ranked>;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> BinaryHeap<Ranked> {
        match self.allow {
            None => {
                let blocks = self.num_items.div_ceil(BLOCK);
                for block in 0..blocks {
                    self.block(simd, block, u32::MAX);
                }
            }
            Some(allow) => {
                for (block, lanes) in allowed_blocks(allow) {
                    self.block(simd, block, lanes);
                }
            }
        }
        self.best
    }
}

/// The blocks that ascending items lie in, and the lanes of each.
#[inline(always)]
pub(super) fn allowed_blocks(items: &[u32]) -> impl Iterator<Item = (usize, u32)> {
    let block = |item: u32| item as usize / BLOCK;
    items.chunk_by(move |&a, &b| block(a) == block(b)).map(move |items| {
        let lanes = items.iter().fold(0, |lanes, &item| lanes | 1 << (item as usize % BLOCK));
        (block(items[0]), lanes)
    })
}

impl<'a, B> Scan<'a, B> {
    /// The start of an answer, which `heap` has room for.
    pub(super) fn new(query: &Query<'a>, blocks: B, lists: Lists<'a>, heap: Vec<Ranked>) -> Self {
        Self {
            blocks,
            num_items: query.num_items,
            k: query.k,
            allow: query.filter.allow.map(|_| lists.allow),
            seen: Excluded::new(if query.filter.exclude_seen { query.seen } else { &[] }),
            deny: Excluded::new(lists.deny),
            best: BinaryHeap::from(heap),
        }
    }
}

impl<B: Blocks> Scan<'_, B> {
    /// Ranks those items of a block, of the given lanes, that are good enough.
    #[inline(always)]
    pub(super) fn block<S: Simd>(&mut self, simd: S, block: usize, lanes: u32) {
        self.consider(simd, block, lanes, self.blocks.at_most(simd, block));
    }

    /// The same, given what [`Blocks::at_most`] found.
    #[inline(always)]
    pub(super) fn consider<S: Simd>(&mut self, simd: S, block: usize, lanes: u32, at_most: S::Row) {
        let mut better = lanes;
        if let Some(bar) = self.bar() {
            better &= at_most.greater_mask(S::Row::splat(simd, bar));
        }
        if better == 0 {
            return;
        }
        let mut stored = [[0.0; LANES]; ROW_VECTORS];
        at_most.store(&mut stored);
        self.rank(simd, block * BLOCK, stored.as_flattened(), better);
    }

    /// Ranks the lanes of a block whose bits are set.
    #[inline(always)]
    fn rank<S: Simd>(&mut self, simd: S, first: usize, at_most: &[f32], mut lanes: u32) {
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let item = first + lane;
            if item >= self.num_items {
                return; // the padding of the last block
            }
            let index = item as u32;
            if !self.seen.contains(index) && !self.deny.contains(index) {
                let score = self.blocks.score(simd, item, at_most[lane]);
                self.push(Scored { item: index, score });
            }
        }
    }

    fn push(&mut self, scored: Scored) {
        if scored.score.is_nan() {
            return;
        }
        match self.bar() {
            None => self.best.push(Ranked(scored)),
            // Items come in ascending order, so an equal score ranks behind those kept.
            Some(bar) if scored.score > bar => {
                if let Some(mut worst) = self.best.peek_mut() {
                    *worst = Ranked(scored);
                }
            }
            Some(_) => {}
        }
    }

    /// The score to beat, once there are k.
    #[inline(always)]
    fn bar(&self) -> Option<f32> {
        if self.best.len() < self.k {
            return None;
        }
        self.best.peek().map(|worst| worst.0.score)
    }
}
