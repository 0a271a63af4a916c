//! The best items so far, of those that a scan has come across in whatever order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// An item and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item index.
    pub item: u32,
    /// The score; never NaN.
    pub score: f32,
}

impl Scored {
    /// Whether this ranks before the other: by the higher score, then by the smaller item. Nothing
    /// ranks before or behind a NaN.
    #[inline(always)]
    pub(super) fn better_than(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.item < other.item)
    }

    /// The best comes first.
    pub(super) fn rank(a: &Self, b: &Self) -> Ordering {
        // Scores are never NaN, so they do compare.
        b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.item.cmp(&b.item))
    }
}

/// What a scan shows items to.
pub(super) trait Ranking {
    /// The score that an item has to reach, where there is one for all items.
    fn bar(&self) -> Option<f32>;

    /// k, where the k best of all items are what is to be found.
    fn wanted(&self) -> Option<usize>;

    /// Whether an item may be one of the best, given a number that its score does not exceed.
    fn admits(&self, at_most: Scored) -> bool;

    /// Adds an item if it is one of the best so far.
    fn push(&mut self, scored: Scored);

    /// Leaves the best where it was told to, the best first.
    fn finish(self);
}

/// The k best.
pub(super) struct Best<'a> {
    /// At least 1.
    k: usize,
    heap: &'a mut BinaryHeap<Ranked>,
    best: &'a mut Vec<Scored>,
}

impl<'a> Best<'a> {
    /// An empty ranking in memory that is used again; it will leave the best in `best`.
    pub(super) fn new(
        k: usize,
        heap: &'a mut BinaryHeap<Ranked>,
        best: &'a mut Vec<Scored>,
    ) -> Self {
        heap.clear();
        heap.reserve(k);
        best.clear();
        best.reserve(k);
        Self { k, heap, best }
    }

    /// The worst of them, once there are k.
    #[inline(always)]
    fn worst(&self) -> Option<Scored> {
        if self.heap.len() < self.k {
            return None;
        }
        self.heap.peek().map(|worst| worst.0)
    }
}

impl Ranking for Best<'_> {
    #[inline(always)]
    fn wanted(&self) -> Option<usize> {
        Some(self.k)
    }

    #[inline(always)]
    fn bar(&self) -> Option<f32> {
        self.worst().map(|worst| worst.score)
    }

    #[inline(always)]
    fn admits(&self, at_most: Scored) -> bool {
        self.worst().is_none_or(|worst| at_most.better_than(&worst))
    }

    fn push(&mut self, scored: Scored) {
        if scored.score.is_nan() {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(Ranked(scored));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && scored.better_than(&worst.0)
        {
            *worst = Ranked(scored);
        }
    }

    fn finish(self) {
        self.best.extend(self.heap.drain().map(|ranked| ranked.0));
        self.best.sort_unstable_by(Scored::rank);
    }
}

/// Ordered by rank: the smallest is the best, so a heap has the worst on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked(Scored);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        Scored::rank(&self.0, &other.0)
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
