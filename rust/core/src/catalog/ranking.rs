//! What a scan collects: the best items, or those of a quota.

use super::best::{Best, Scored};
use super::quota::QuotaRanking;

/// Collects the items of a scan. An enum, because scans compiled for each would be large.
pub(super) enum Ranking<'a> {
    Best(Best<'a>),
    Quota(QuotaRanking<'a>),
}

impl Ranking<'_> {
    /// The score that every further item has to reach, once there is one.
    #[inline(always)]
    pub(super) fn threshold(&self) -> Option<f32> {
        match self {
            Self::Best(best) => best.threshold(),
            Self::Quota(quota) => quota.threshold(),
        }
    }

    /// k, if the ranking is the k best of all items.
    #[inline(always)]
    pub(super) fn wanted(&self) -> Option<usize> {
        match self {
            Self::Best(best) => Some(best.k),
            Self::Quota(_) => None,
        }
    }

    /// Whether an item may be among the best, given an upper bound on its score.
    #[inline(always)]
    pub(super) fn admits(&self, bound: Scored) -> bool {
        match self {
            Self::Best(best) => best.worst().is_none_or(|worst| bound.better_than(&worst)),
            Self::Quota(quota) => quota.admits(bound),
        }
    }

    /// Adds an item if it is one of the best so far.
    #[inline(always)]
    pub(super) fn push(&mut self, scored: Scored) {
        match self {
            Self::Best(best) => best.push(scored),
            Self::Quota(quota) => quota.push(scored),
        }
    }

    /// Writes the best items to the output, best first.
    pub(super) fn finish(self) {
        match self {
            Self::Best(best) => best.finish(),
            Self::Quota(quota) => quota.finish(),
        }
    }
}
