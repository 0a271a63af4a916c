//! The best items: score, filter and rank in one pass over the catalogue.
//!
//! N scores are never written down. A block of 32 is scored in registers and compared with the
//! k-th best so far; only the lanes that beat it are looked up in the lists and ranked.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::filter::{Excluded, Filter};
use crate::kernels::lanes_mut;
use crate::kernels::scan::{BLOCK, Element, Row, block_scores};
use crate::simd::{Backend, Kernel, LANES, Simd, Vector};

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
}

impl TopK {
    /// An empty ranking.
    pub const fn new() -> Self {
        Self { items: Vec::new(), heap: Vec::new(), allow: Vec::new(), deny: Vec::new() }
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
    pub(crate) fn answer<E: Element>(&mut self, backend: Backend, query: &Query<'_, E>) {
        let Self { items, heap, allow, deny } = self;
        items.clear();
        if query.k == 0 {
            return;
        }
        sort_into(query.filter.deny, deny);
        sort_into(query.filter.allow.unwrap_or_default(), allow);
        heap.clear();
        heap.reserve(query.k);
        items.reserve(query.k);
        let best = backend.run(Scan {
            rows: query.rows,
            hidden: query.hidden,
            num_items: query.num_items,
            k: query.k,
            allow: query.filter.allow.map(|_| &allow[..]),
            seen: Excluded::new(if query.filter.exclude_seen { query.seen } else { &[] }),
            deny: Excluded::new(deny),
            best: BinaryHeap::from(std::mem::take(heap)),
        });
        *heap = best.into_sorted_vec();
        items.extend(heap.iter().map(|ranked| ranked.0));
    }
}

/// What [`TopK::answer`] is asked.
pub(crate) struct Query<'a, E> {
    /// The table.
    pub(crate) rows: &'a [Row<E>],
    pub(crate) hidden: &'a [f32],
    pub(crate) num_items: usize,
    /// How many items to return, at most N.
    pub(crate) k: usize,
    /// Its items exist.
    pub(crate) filter: &'a Filter<'a>,
    /// Ascending.
    pub(crate) seen: &'a [u32],
}

fn sort_into(list: &[u32], to: &mut Vec<u32>) {
    to.clear();
    to.extend_from_slice(list);
    to.sort_unstable();
}

/// Ordered by rank: the smallest is the best, so a heap has the worst on top.
#[derive(Clone, Copy, Debug)]
struct Ranked(Scored);

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
struct Scan<'a, E> {
    rows: &'a [Row<E>],
    hidden: &'a [f32],
    num_items: usize,
    /// At least 1.
    k: usize,
    /// Ascending, where only these may be returned.
    allow: Option<&'a [u32]>,
    seen: Excluded<'a>,
    deny: Excluded<'a>,
    best: BinaryHeap<Ranked>,
}

impl<E: Element> Kernel for Scan<'_, E> {
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
            Some(mut rest) => {
                while let Some(&first) = rest.first() {
                    let block = first as usize / BLOCK;
                    let mut lanes = 0;
                    while let Some((&item, after)) = rest.split_first()
                        && item as usize / BLOCK == block
                    {
                        lanes |= 1 << (item as usize % BLOCK);
                        rest = after;
                    }
                    self.block(simd, block, lanes);
                }
            }
        }
        self.best
    }
}

impl<E: Element> Scan<'_, E> {
    /// Scores a block and ranks those of the given lanes that are good enough.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, block: usize, lanes: u32) {
        let size = self.hidden.len();
        let rows = &self.rows[block * size..(block + 1) * size];
        let scores = block_scores(simd, rows, self.hidden);
        let mut better = lanes;
        if let Some(bar) = self.bar() {
            let bar = simd.splat(bar);
            let mut mask = 0;
            for (w, scores) in scores.into_iter().enumerate() {
                mask |= scores.greater_mask(bar) << (w * LANES);
            }
            better &= mask;
        }
        if better == 0 {
            return;
        }
        let mut stored = [0.0; BLOCK];
        for (scores, to) in scores.into_iter().zip(lanes_mut(&mut stored)) {
            scores.store(to);
        }
        self.rank(block * BLOCK, &stored, better);
    }

    /// Ranks the lanes of a block whose bits are set.
    fn rank(&mut self, first: usize, scores: &[f32; BLOCK], mut lanes: u32) {
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let item = first + lane;
            if item >= self.num_items {
                return; // the padding of the last block
            }
            let scored = Scored { item: item as u32, score: scores[lane] };
            if !self.seen.contains(scored.item) && !self.deny.contains(scored.item) {
                self.push(scored);
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
