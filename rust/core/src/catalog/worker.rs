//! One thread's share of a query.

use std::collections::BinaryHeap;

use super::blocks::Blocks;
use super::filter::Lists;
use super::first_pass::FirstPass;
use super::quota::{Limited, Tallies};
use super::ranking::{Best, Ranked, Ranking, Scored};
use super::scan::{Scan, Shard};
use super::topk::Query;
use crate::kernels::block_scores::Features;
use crate::simd::Backend;

/// A query and what it takes to answer it, for any number of workers.
pub(super) struct Task<'a, B> {
    pub(super) backend: Backend,
    pub(super) query: &'a Query<'a>,
    pub(super) lists: &'a Lists,
    /// The model's table.
    pub(super) blocks: B,
}

impl<B: Blocks> Task<'_, B> {
    /// How many items are looked at.
    #[cfg(feature = "threads")]
    pub(super) fn items(&self) -> usize {
        let Query { catalog, filter, .. } = self.query;
        filter.allow.map_or(catalog.len(), |_| self.lists.allow.len())
    }

    /// Shows a shard of the catalogue to a ranking.
    fn show<R: Ranking>(&self, shard: Shard, bounds: &mut Vec<Features<f32>>, mut ranking: R) {
        let Self { backend, query, lists, blocks } = self;
        let excluded = query.excluded();
        let base = lists.base_part(query, *blocks).shard(shard);
        let scan = Scan::new(base, excluded, &lists.deny, &mut ranking);
        backend.run(FirstPass { scan, bounds });
        if let Some(overlay) = query.catalog.overlay {
            let part = lists.overlay_part(query, overlay).shard(shard);
            backend.run(Scan::new(part, excluded, &lists.deny, &mut ranking));
        }
        ranking.finish();
    }
}

/// What a thread ranks in, used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    pub(super) heap: BinaryHeap<Ranked>,
    pub(super) tallies: Tallies,
    bounds: Vec<Features<f32>>,
    /// The best of its shard, the best first.
    pub(super) best: Vec<Scored>,
}

impl Worker {
    /// Finds the best of a shard.
    pub(super) fn rank<B: Blocks>(&mut self, task: &Task<'_, B>, shard: Shard) {
        let Self { heap, tallies, bounds, best } = self;
        let Query { k, filter, .. } = *task.query;
        match filter.quota {
            Some(quota) => task.show(shard, bounds, Limited::new(k, quota, best, tallies)),
            None => task.show(shard, bounds, Best::new(k, heap, best)),
        }
    }
}
