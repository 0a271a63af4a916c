//! The answer to a query, and the memory that finding it uses again.

use std::collections::BinaryHeap;

use super::filter::Lists;
use super::first_pass::FirstPass;
use super::part::{Part, Shard};
use super::query::{Query, User};
use super::quota::{GroupCounts, QuotaRanking};
use super::ranking::{Best, Ranked, Ranking, Scored};
use super::scan::Scan;
#[cfg(feature = "threads")]
use super::threads;
use crate::kernels::block_scores::Features;
use crate::model::{Floats, Hidden, Numbers, Visitor};
use crate::simd::GROUP;

/// A ranking that is used again: after the first query with the largest `k`, the longest lists and
/// the most groups, [`Session::top_k_into`](crate::Session::top_k_into) allocates nothing.
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let mut session = Session::new(model);
/// let mut best = TopK::new();
/// for item in [7, 19, 4] {
///     session.append(item)?;
///     session.top_k_into(10, &Filter::unseen(), &mut best)?;
///     for Scored { item, score } in &best {
///         println!("{item} {score}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TopK {
    lists: Lists,
    pub(super) worker: Worker,
    /// Of the threads beside the caller's.
    #[cfg(feature = "threads")]
    others: Vec<Worker>,
    pub(super) codes: Vec<[i8; GROUP]>,
}

impl TopK {
    /// An empty ranking.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets up to `count` threads, at most 256, share a query that looks at more than 100,000 items;
    /// the answer is the same, bit for bit. With 0 or 1, and for smaller queries, there is the
    /// caller's thread only, and so there is for those of a fleet. Handing out work may allocate.
    ///
    /// The threads are those of a rayon pool of the crate's own, one per CPU. A process that was
    /// forked starts its own.
    #[cfg(feature = "threads")]
    #[must_use]
    pub fn with_threads(mut self, count: usize) -> Self {
        let others = count.min(threads::MOST).saturating_sub(1);
        self.others.resize_with(others, Worker::default);
        self
    }

    /// The items of the last query, the best first.
    pub fn items(&self) -> &[Scored] {
        &self.worker.best
    }

    /// The items of the last query, the best first.
    #[must_use]
    pub fn into_items(self) -> Vec<Scored> {
        self.worker.best
    }

    /// Answers a query for a user.
    pub(crate) fn answer(&mut self, query: &Query<'_>, user: User<'_>) {
        if query.wants_nothing() {
            return self.worker.best.clear();
        }
        self.lists.fill(query.filter, query.catalog.overlay);
        query.catalog.table.visit(query.catalog.file, Answer { ranking: self, query, user });
    }
}

/// The items of the last query, the best first.
impl<'a> IntoIterator for &'a TopK {
    type Item = &'a Scored;
    type IntoIter = std::slice::Iter<'a, Scored>;

    fn into_iter(self) -> Self::IntoIter {
        self.items().iter()
    }
}

/// [`TopK::answer`], given the numbers of the model's table.
struct Answer<'r, 'a> {
    ranking: &'r mut TopK,
    query: &'r Query<'a>,
    user: User<'a>,
}

impl Visitor for Answer<'_, '_> {
    type Output = ();

    fn visit<N: Numbers>(self, numbers: N) {
        let Self { ranking, query, user } = self;
        let hidden = Hidden::new::<N>(user.hidden, &mut ranking.codes);
        let task = Task { query, seen: user.seen, lists: &ranking.lists, numbers, hidden };
        #[cfg(feature = "threads")]
        if !ranking.others.is_empty() && task.items() > threads::ALONE {
            // Each counts all groups of a quota: together no more than four for each item.
            let groups = query.filter.quota.map_or(1, |quota| quota.groups.count());
            let most = ranking.others.len().min(4 * query.catalog.len() / groups);
            let others = &mut ranking.others[..most];
            let work = |worker: &mut Worker, shard| worker.rank(&task, shard);
            threads::share(&mut ranking.worker, others, work);
            return ranking.worker.merge(others, query);
        }
        ranking.worker.rank(&task, Shard::WHOLE);
    }
}

/// A query and what it takes to answer it, for any number of workers.
struct Task<'a, N> {
    query: &'a Query<'a>,
    seen: &'a [u32],
    lists: &'a Lists,
    numbers: N,
    hidden: Hidden<'a>,
}

impl<N: Numbers> Task<'_, N> {
    /// How many items are looked at.
    #[cfg(feature = "threads")]
    fn items(&self) -> usize {
        let Query { catalog, filter, .. } = self.query;
        filter.allow.map_or(catalog.len(), |_| self.lists.allow.len())
    }

    /// A shard of the catalogue.
    fn parts(&self, shard: Shard) -> Parts<'_, N> {
        let &Self { query, lists, numbers, .. } = self;
        let overlay = Part::overlay(query, lists).map(|part| part.shard(shard));
        (Part::base(query, lists, numbers).shard(shard), overlay)
    }

    /// Shows parts of the catalogue to a ranking.
    fn show<R: Ranking>(
        &self,
        (part, overlay): Parts<'_, N>,
        bounds: &mut Vec<Features<f32>>,
        mut ranking: R,
    ) {
        let &Self { query, seen, lists, hidden, .. } = self;
        let excluded = query.excluded(seen, lists);
        let scan = Scan { part, hidden, excluded, ranking: &mut ranking };
        query.backend.run(FirstPass { scan, bounds });
        if let Some(part) = overlay {
            query.backend.run(Scan { part, hidden, excluded, ranking: &mut ranking });
        }
        ranking.finish();
    }
}

/// Of the model's table and of the overlay's.
type Parts<'a, N> = (Part<'a, N>, Option<Part<'a, Floats<'a, f32>>>);

/// What a thread ranks in, used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    pub(super) heap: BinaryHeap<Ranked>,
    counts: GroupCounts,
    bounds: Vec<Features<f32>>,
    /// The best of its shard, the best first.
    pub(super) best: Vec<Scored>,
}

impl Worker {
    /// Finds the best of a shard.
    fn rank<N: Numbers>(&mut self, task: &Task<'_, N>, shard: Shard) {
        let Self { heap, counts, bounds, best } = self;
        let parts = task.parts(shard);
        // No memory for more items than the shard has.
        let items = parts.0.positions() + parts.1.map_or(0, |part| part.positions());
        let k = task.query.k.min(items.max(1));
        match task.query.filter.quota {
            Some(quota) => task.show(parts, bounds, QuotaRanking::new(k, quota, best, counts)),
            None => task.show(parts, bounds, Best::new(k, heap, best)),
        }
    }

    /// Takes over what others found: the best of all is the best of what each found. With a quota,
    /// too: see `quota.rs`.
    #[cfg(feature = "threads")]
    fn merge(&mut self, others: &[Self], query: &Query<'_>) {
        let Self { best, counts, .. } = self;
        best.extend(others.iter().flat_map(|other| &other.best));
        match query.filter.quota {
            Some(quota) => counts.cut(best, query.k, quota),
            None => {
                best.sort_unstable_by(Scored::rank);
                best.truncate(query.k);
            }
        }
    }
}
