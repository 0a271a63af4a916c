//! At most so many items of one group.
//!
//! The answer is that of a walk over all items in the order of their rank, which skips an item whose
//! group already has as many as it may, and stops at k. Write walk(S) for what it returns of a set S
//! of items; it can be found piece by piece, because
//!
//! 1. an item of walk(S) is in the walk of every subset of S that holds it: what the walk meets
//!    before it, of its group or of all, is only less;
//! 2. so walk(A ∪ B) = walk(walk(A) ∪ walk(B)). With X the set on the right: walk(A ∪ B) lies in X
//!    and, by 1, in walk(X). Were there another item in walk(X), then the walk over A ∪ B would have left
//!    it out after taking enough of its group, or k of all; all these rank before it and are in
//!    walk(X), so the walk over X would have left it out too.
//!
//! Therefore candidates are collected and, from time to time, cut to their walk; and threads that scan parts
//! of the catalogue give their walks to a last one. Between two cuts an item is left out at once if
//! k of the last walk rank before it, or as many of its own group as may be returned.

use std::collections::HashMap;

use super::ranking::{Ranking, Scored};
use crate::error::Cause;
use crate::{Fingerprint, Model, Result};

/// The group of each item, such as its category; made once and used in any number of queries.
#[derive(Clone, Debug)]
pub struct Groups {
    /// By item index; groups are numbered from 0 in the order of their first item.
    numbers: Vec<u32>,
    /// How many groups there are.
    count: usize,
    model: Fingerprint,
}

impl Groups {
    /// Takes the group of each item, by item index: any numbers, equal for items of one group.
    ///
    /// There is one for each of the model's N items, and there may be more for items that an overlay
    /// has added; another number of them is an error. Added items without one, such as those that are
    /// added later, are in no group, and no limit holds for them.
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

    /// The number of an item's group, if it is in one.
    #[inline(always)]
    pub fn of(&self, item: u32) -> Option<usize> {
        self.numbers.get(item as usize).map(|&number| number as usize)
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
/// let quota = Some(Quota { groups: &groups, limit: 2 });
/// let best = session.top_k(10, &Filter { quota, ..Filter::unseen() })?;
/// assert_eq!(best.len(), 6); // two of each genre
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quota<'a> {
    /// Which item is of which group.
    pub groups: &'a Groups,
    /// Items of one group that may be returned.
    pub limit: usize,
}

impl Quota<'_> {
    /// Checks that the groups are those of the model.
    pub(crate) fn check(&self, model: &Model) -> Result<()> {
        let (found, expected) = (self.groups.model, model.fingerprint());
        if found == expected { Ok(()) } else { Err(Cause::GroupsModel { found, expected }.into()) }
    }
}

/// What a group has in a walk.
#[derive(Clone, Copy, Debug)]
struct GroupCount {
    taken: usize,
    /// The last one taken.
    worst: Scored,
}

const NONE_TAKEN: GroupCount = GroupCount { taken: 0, worst: Scored { item: 0, score: 0.0 } };

/// The counts of all groups, in memory that is used again. Between walks nothing is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupCounts(Vec<GroupCount>);

impl GroupCounts {
    /// Makes sure that there are as many as groups.
    pub(super) fn cover(&mut self, groups: &Groups) {
        if self.0.len() < groups.count {
            self.0.resize(groups.count, NONE_TAKEN);
        }
    }

    /// Cuts candidates to those that the walk takes, the best first; the counts are then theirs.
    fn walk(&mut self, candidates: &mut Vec<Scored>, k: usize, quota: Quota<'_>) {
        candidates.sort_unstable_by(Scored::rank);
        let mut taken = 0;
        candidates.retain(|candidate| {
            if taken == k {
                return false;
            }
            if let Some(group) = quota.groups.of(candidate.item) {
                let count = &mut self.0[group];
                if count.taken == quota.limit {
                    return false;
                }
                *count = GroupCount { taken: count.taken + 1, worst: *candidate };
            }
            taken += 1;
            true
        });
    }

    /// The same, and then nothing is taken.
    pub(super) fn cut(&mut self, items: &mut Vec<Scored>, k: usize, quota: Quota<'_>) {
        self.walk(items, k, quota);
        self.clear(items, quota.groups);
    }

    /// Takes nothing of the groups of these items.
    fn clear(&mut self, items: &[Scored], groups: &Groups) {
        for group in items.iter().filter_map(|scored| groups.of(scored.item)) {
            self.0[group] = NONE_TAKEN;
        }
    }
}

/// The k best under a quota.
pub(super) struct QuotaRanking<'a> {
    /// At least 1.
    k: usize,
    quota: Quota<'a>,
    /// The last walk, and what may be one of the best since; cut when they reach the capacity.
    candidates: &'a mut Vec<Scored>,
    capacity: usize,
    /// Of the last walk.
    counts: &'a mut GroupCounts,
    /// The last of the last walk, if it took k.
    worst: Option<Scored>,
}

impl<'a> QuotaRanking<'a> {
    /// Fewer candidates than this are not worth a cut.
    const MIN_CAPACITY: usize = 64;

    /// An empty ranking in memory that is used again; it will leave the best in `candidates`.
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

    fn cut(&mut self) {
        // Also those of the walk before, whose items are still candidates.
        self.counts.clear(self.candidates, self.quota.groups);
        self.counts.walk(self.candidates, self.k, self.quota);
        self.worst = self.candidates.get(self.k - 1).copied();
    }
}

impl Ranking for QuotaRanking<'_> {
    #[inline(always)]
    fn wanted(&self) -> Option<usize> {
        None
    }

    #[inline(always)]
    fn bar(&self) -> Option<f32> {
        self.worst.map(|worst| worst.score)
    }

    #[inline(always)]
    fn admits(&self, at_most: Scored) -> bool {
        let in_group = |group: usize| {
            let count = &self.counts.0[group];
            count.taken < self.quota.limit || at_most.better_than(&count.worst)
        };
        self.worst.is_none_or(|worst| at_most.better_than(&worst))
            && self.quota.groups.of(at_most.item).is_none_or(in_group)
    }

    fn push(&mut self, scored: Scored) {
        if scored.score.is_nan() || !self.admits(scored) {
            return;
        }
        self.candidates.push(scored);
        if self.candidates.len() == self.capacity {
            self.cut();
        }
    }

    fn finish(self) {
        self.counts.clear(self.candidates, self.quota.groups);
        self.counts.cut(self.candidates, self.k, self.quota);
    }
}
