//! Limits the number of items per group.
//!
//! The result is defined by a walk over all items in order of rank. The walk skips an item whose
//! group is full, and stops at k. Write walk(S) for its result on a set S of items. It can be
//! computed piecewise:
//!
//! 1. An item of walk(S) is in the walk of every subset of S that contains it: in the subset, no
//!    more items rank before it, of its group or of all.
//! 2. So walk(A ∪ B) = walk(walk(A) ∪ walk(B)). Let X be the set on the right. walk(A ∪ B) lies in
//!    X and, by 1, in walk(X). Suppose walk(X) had another item. The walk over A ∪ B skipped it
//!    after taking enough of its group, or k items in all. These rank before it and are in
//!    walk(X), so the walk over X would have skipped it too.
//!
//! So candidates are collected and, from time to time, reduced to their walk. Threads that scan
//! parts of the catalogue merge their walks the same way. Between reductions, an item is rejected
//! at once if k items of the last walk rank before it, or `limit` items of its own group do.

use std::collections::HashMap;

use super::best::Scored;
use crate::error::Cause;
use crate::{Fingerprint, Model, Result};

/// The group of each item, such as its category. Made once, for any number of queries.
#[derive(Clone, Debug)]
pub struct Groups {
    /// By item index. Groups are numbered from 0, in order of their first item.
    numbers: Vec<u32>,
    count: usize,
    pub(super) model: Fingerprint,
}

impl Groups {
    /// Takes the group of each item, by item index: any integers, equal within a group.
    ///
    /// One group is required for each of the model's N items, and optional for items that an
    /// overlay has added. Any other length is an error. Added items without a group, such as those
    /// added later, are one group together, so that no quota lets all of them through.
    pub fn new<G: Copy + Into<i64>>(model: &Model, groups: &[G]) -> Result<Self> {
        let (least, most) = (model.num_items(), model.catalog().len());
        if !(least..=most).contains(&groups.len()) {
            let expected =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(Cause::GroupsLength { found: groups.len(), expected }.into());
        }
        let mut known = HashMap::new();
        let mut number = |&group: &G| {
            let next = known.len() as u32;
            *known.entry(group.into()).or_insert(next)
        };
        let numbers = groups.iter().map(&mut number).collect();
        Ok(Self { numbers, count: known.len(), model: model.fingerprint() })
    }

    /// The number of groups.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The number of an item's group, if it has one.
    #[inline(always)]
    pub fn of(&self, item: u32) -> Option<usize> {
        self.numbers.get(item as usize).map(|&number| number as usize)
    }

    /// The place of an item's count: the last one is that of added items without a group.
    #[inline(always)]
    fn place(&self, item: u32) -> usize {
        self.of(item).unwrap_or(self.count)
    }
}

/// At most `limit` items of each group.
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let genre: Vec<i64> = (0..model.num_items() as i64).map(|item| item % 3).collect();
/// let groups = Groups::new(&model, &genre)?;
///
/// let mut session = Session::new(model);
/// session.append(7)?;
/// let quota = Quota { groups: &groups, limit: 2 };
/// let best = session.top_k(10, &Filter::unseen().quota(quota))?;
/// assert_eq!(best.len(), 6); // two of each genre
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quota<'a> {
    /// The group of each item.
    pub groups: &'a Groups,
    /// The maximum number of items per group.
    pub limit: usize,
}

/// The items of a group taken by a walk.
#[derive(Clone, Copy, Debug)]
struct GroupCount {
    taken: usize,
    worst: Scored,
}

const NONE_TAKEN: GroupCount = GroupCount { taken: 0, worst: Scored { item: 0, score: 0.0 } };

/// The counts of all groups, in a reusable buffer. All zero between walks.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupCounts(Vec<GroupCount>);

impl GroupCounts {
    pub(super) fn cover(&mut self, groups: &Groups) {
        let places = groups.count + 1;
        if self.0.len() < places {
            self.0.resize(places, NONE_TAKEN);
        }
    }

    /// Reduces candidates to their walk, best first, and leaves its counts.
    fn walk(&mut self, candidates: &mut Vec<Scored>, k: usize, quota: Quota<'_>) {
        candidates.sort_unstable_by(Scored::rank);
        let mut taken = 0;
        candidates.retain(|candidate| {
            if taken == k {
                return false;
            }
            let count = &mut self.0[quota.groups.place(candidate.item)];
            if count.taken == quota.limit {
                return false;
            }
            *count = GroupCount { taken: count.taken + 1, worst: *candidate };
            taken += 1;
            true
        });
    }

    /// Reduces candidates to their walk, best first, and clears the counts.
    pub(super) fn reduce(&mut self, items: &mut Vec<Scored>, k: usize, quota: Quota<'_>) {
        self.walk(items, k, quota);
        self.clear(items, quota.groups);
    }

    /// Clears the counts of the groups of these items.
    fn clear(&mut self, items: &[Scored], groups: &Groups) {
        for scored in items {
            self.0[groups.place(scored.item)] = NONE_TAKEN;
        }
    }
}

pub(super) struct QuotaRanking<'a> {
    /// At least 1.
    k: usize,
    quota: Quota<'a>,
    /// The last walk, and the candidates since. Reduced when they reach the capacity.
    candidates: &'a mut Vec<Scored>,
    capacity: usize,
    /// The counts of the last walk.
    counts: &'a mut GroupCounts,
    /// The last item of the last walk, if it took k.
    worst: Option<Scored>,
}

impl<'a> QuotaRanking<'a> {
    /// Reducing fewer candidates than this does not pay.
    const MIN_CAPACITY: usize = 64;

    /// An empty ranking in reusable buffers, which writes its result to `candidates`.
    pub(super) fn new(
        k: usize,
        quota: Quota<'a>,
        candidates: &'a mut Vec<Scored>,
        counts: &'a mut GroupCounts,
    ) -> Self {
        let capacity = (2 * k).max(Self::MIN_CAPACITY);
        candidates.clear();
        candidates.reserve(capacity);
        counts.cover(quota.groups);
        Self { k, quota, candidates, capacity, counts, worst: None }
    }

    fn reduce(&mut self) {
        // Includes the counts of the previous walk: its items are still candidates.
        self.counts.clear(self.candidates, self.quota.groups);
        self.counts.walk(self.candidates, self.k, self.quota);
        self.worst = self.candidates.get(self.k - 1).copied();
    }

    #[inline(always)]
    pub(super) fn threshold(&self) -> Option<f32> {
        self.worst.map(|worst| worst.score)
    }

    #[inline(always)]
    pub(super) fn admits(&self, bound: Scored) -> bool {
        self.worst.is_none_or(|worst| bound.better_than(&worst)) && {
            let count = &self.counts.0[self.quota.groups.place(bound.item)];
            count.taken < self.quota.limit || bound.better_than(&count.worst)
        }
    }

    pub(super) fn push(&mut self, scored: Scored) {
        if scored.score.is_nan() || !self.admits(scored) {
            return;
        }
        self.candidates.push(scored);
        if self.candidates.len() == self.capacity {
            self.reduce();
        }
    }

    pub(super) fn finish(self) {
        self.counts.clear(self.candidates, self.quota.groups);
        self.counts.reduce(self.candidates, self.k, self.quota);
    }
}
