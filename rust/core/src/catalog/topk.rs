//! The answer to a query, and its reusable buffers.

use std::collections::BinaryHeap;

use super::best::{Best, Ranked, Scored};
use super::filter::{Excluded, Lists};
use super::first_pass::{FirstBlocks, FirstPass};
use super::part::{Part, Shard};
use super::query::{Query, User};
use super::quota::{GroupCounts, QuotaRanking};
use super::ranking::Ranking;
use super::scan::Scan;
use crate::model::{Floats, Hidden, Numbers, Visitor};
use crate::simd::GROUP;
#[cfg(feature = "threads")]
use crate::threads;

/// Up to this many items, one thread is as fast: the scan takes about as long as waking others.
#[cfg(feature = "threads")]
const ALONE: usize = 100_000;

/// A reusable ranking. After the first query with the largest `k`, the longest lists and the most
/// groups, [`Session::top_k_into`](crate::Session::top_k_into) does not allocate.
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
    /// One per thread besides the caller's.
    #[cfg(feature = "threads")]
    others: Vec<Worker>,
    pub(super) codes: Vec<[i8; GROUP]>,
}

impl TopK {
    /// An empty ranking.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets up to `count` threads, at most 256, share a query that considers more than 100,000
    /// items. The result is the same, bit for bit. Smaller queries run on the caller's thread only,
    /// as does every query if `count` is 0 or 1, and those of a fleet, whose
    /// [threads](crate::Fleet::set_threads) share users. A shared query may allocate.
    ///
    /// The crate has its own rayon pool, one thread per CPU. A forked process starts another.
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

    pub(crate) fn clear(&mut self) {
        self.worker.best.clear();
    }

    pub(crate) fn answer(&mut self, query: &Query<'_>, user: User<'_>) {
        if query.is_empty() {
            return self.worker.best.clear();
        }
        self.lists.fill(query.filter, query.catalog.overlay);
        query.catalog.table.visit(query.catalog.file, Answer { ranking: self, query, user });
    }
}

/// The items of the last query, best first.
impl<'a> IntoIterator for &'a TopK {
    type Item = &'a Scored;
    type IntoIter = std::slice::Iter<'a, Scored>;

    fn into_iter(self) -> Self::IntoIter {
        self.items().iter()
    }
}

/// [`TopK::answer`], given the elements of the model's table.
struct Answer<'r, 'a> {
    ranking: &'r mut TopK,
    query: &'r Query<'a>,
    user: User<'a>,
}

impl Visitor for Answer<'_, '_> {
    type Output = ();

    fn visit<N: Numbers>(self, numbers: N) {
        let Self { ranking, query, user } = self;
        let hidden = Hidden::new::<N>(query.backend, user.hidden, &mut ranking.codes);
        let task = Task { query, excluded: user.excluded, lists: &ranking.lists, numbers, hidden };
        #[cfg(feature = "threads")]
        if !ranking.others.is_empty() && task.items() > ALONE {
            let limit = ranking.others.len().min(query.other_threads());
            let others = &mut ranking.others[..limit];
            let count = 1 + others.len();
            let shard = |index| Shard { index, count };
            let shards = others.iter_mut().zip(1..).map(|(worker, index)| (worker, shard(index)));
            let work = |(worker, shard): (&mut Worker, Shard)| worker.rank(&task, shard);
            threads::share((&mut ranking.worker, shard(0)), shards, work);
            return ranking.worker.merge(others, query);
        }
        ranking.worker.rank(&task, Shard::WHOLE);
    }
}

/// A query and its inputs, shared by all workers.
struct Task<'a, N> {
    query: &'a Query<'a>,
    excluded: &'a [u32],
    lists: &'a Lists,
    numbers: N,
    hidden: Hidden<'a>,
}

impl<N: Numbers> Task<'_, N> {
    #[cfg(feature = "threads")]
    fn items(&self) -> usize {
        let Query { catalog, filter, .. } = self.query;
        filter.allow.map_or(catalog.len(), |_| self.lists.allow.len())
    }

    fn parts(&self, shard: Shard) -> Parts<'_, N> {
        let &Self { query, lists, numbers, .. } = self;
        let overlay = Part::overlay(query, lists).map(|part| part.shard(shard));
        (Part::base(query, lists, numbers).shard(shard), overlay)
    }

    fn scan(
        &self,
        (part, overlay): Parts<'_, N>,
        buffer: &mut FirstBlocks,
        mut ranking: Ranking<'_>,
    ) {
        let &Self { query, excluded, lists, hidden, .. } = self;
        let excluded = Excluded::new(excluded, &lists.deny);
        let scan = Scan { part, hidden, excluded, ranking: &mut ranking };
        query.backend.run(FirstPass { scan, buffer });
        if let Some(part) = overlay {
            query.backend.run(Scan { part, hidden, excluded, ranking: &mut ranking });
        }
        ranking.finish();
    }
}

/// A shard of the model's table and of the overlay's.
type Parts<'a, N> = (Part<'a, N>, Option<Part<'a, Floats<'a, f32>>>);

/// The reusable buffers of one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    pub(super) heap: BinaryHeap<Ranked>,
    counts: GroupCounts,
    first: FirstBlocks,
    /// The best of its shard, best first.
    pub(super) best: Vec<Scored>,
}

impl Worker {
    fn rank<N: Numbers>(&mut self, task: &Task<'_, N>, shard: Shard) {
        let Self { heap, counts, first, best } = self;
        let parts = task.parts(shard);
        // Limits the buffers to the size of the shard.
        let items = parts.0.positions() + parts.1.map_or(0, |part| part.positions());
        let k = task.query.k.min(items.max(1));
        let ranking = match task.query.filter.quota {
            Some(quota) => Ranking::Quota(QuotaRanking::new(k, quota, best, counts)),
            None => Ranking::Best(Best::new(k, heap, best)),
        };
        task.scan(parts, first, ranking);
    }

    /// Merges the results of the other workers. The best of all are among the best of each; for
    /// quotas, `quota.rs` has the proof.
    #[cfg(feature = "threads")]
    fn merge(&mut self, others: &[Self], query: &Query<'_>) {
        let Self { best, counts, .. } = self;
        best.extend(others.iter().flat_map(|other| &other.best));
        match query.filter.quota {
            Some(quota) => counts.reduce(best, query.k, quota),
            None => {
                best.sort_unstable_by(Scored::rank);
                best.truncate(query.k);
            }
        }
    }
}
