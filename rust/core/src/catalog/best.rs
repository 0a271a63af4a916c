//! The best items found so far by a scan.

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
    /// Whether this ranks before the other: by higher score, then by smaller item. NaN ranks
    /// neither before nor after anything.
    #[inline(always)]
    pub(super) fn better_than(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.item < other.item)
    }

    pub(super) fn rank(a: &Self, b: &Self) -> Ordering {
        // Scores are never NaN, so they are comparable.
        b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.item.cmp(&b.item))
    }
}

/// The k best items of a scan.
pub(super) struct Best<'a> {
    /// At least 1.
    pub(super) k: usize,
    heap: &'a mut BinaryHeap<Ranked>,
    best: &'a mut Vec<Scored>,
}

impl<'a> Best<'a> {
    /// An empty ranking in reusable buffers, which writes its result to `best`.
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

    /// The worst of the k best, once there are k.
    #[inline(always)]
    pub(super) fn worst(&self) -> Option<Scored> {
        if self.heap.len() < self.k {
            return None;
        }
        self.heap.peek().map(|worst| worst.0)
    }

    #[inline(always)]
    pub(super) fn threshold(&self) -> Option<f32> {
        self.worst().map(|worst| worst.score)
    }

    pub(super) fn push(&mut self, scored: Scored) {
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

    pub(super) fn finish(self) {
        self.best.extend(self.heap.drain().map(|ranked| ranked.0));
        self.best.sort_unstable_by(Scored::rank);
    }
}

/// Ordered by rank: the best is the smallest, so the top of the heap is the worst.
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
