//! The best items: the face of the scan, and the memory that it uses again.

use std::collections::BinaryHeap;

use super::Table;
use super::blocks::{Blocks, Floats, Integers};
use super::filter::{Filter, Lists};
use super::quota::{Limited, Tallies};
use super::ranking::{Best, Ranked, Ranking, Scored};
use super::scan::{Part, Scan};
use crate::kernels::integer_scan::Rounded;
use crate::simd::{Backend, GROUP};

/// A ranking that is used again: after the first query with the largest `k`, the longest lists and
/// the most groups, [`Session::top_k_into`](crate::Session::top_k_into) allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct TopK {
    pub(super) items: Vec<Scored>,
    pub(super) heap: BinaryHeap<Ranked>,
    tallies: Tallies,
    lists: Lists,
    pub(super) codes: Vec<[i8; GROUP]>,
}

impl TopK {
    /// An empty ranking.
    pub fn new() -> Self {
        Self::default()
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
        if query.wants_nothing() {
            return self.items.clear();
        }
        self.lists.fill(query.filter);
        let Query { file, hidden, .. } = *query;
        match query.table {
            Table::F32(table) => {
                self.rank(backend, query, Floats { features: table.features(file), hidden });
            }
            Table::F16(table) => {
                self.rank(backend, query, Floats { features: table.features(file), hidden });
            }
            Table::Int8(table) => {
                let mut codes = std::mem::take(&mut self.codes);
                let rounded = Rounded::new(hidden, &mut codes);
                let (groups, scales) = (table.groups(file), table.scales(file));
                self.rank(backend, query, Integers { groups, scales, hidden, rounded });
                self.codes = codes;
            }
        }
    }

    fn rank<B: Blocks>(&mut self, backend: Backend, query: &Query<'_>, blocks: B) {
        let Self { items, heap, tallies, lists, .. } = self;
        match query.filter.quota {
            Some(quota) => {
                lists.scan(backend, query, blocks, Limited::new(query.k, quota, items, tallies));
            }
            None => lists.scan(backend, query, blocks, Best::new(query.k, heap, items)),
        }
    }
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
    /// Its items exist, and its groups are the model's.
    pub(crate) filter: &'a Filter<'a>,
    /// Ascending.
    pub(crate) seen: &'a [u32],
}

impl<'a> Query<'a> {
    /// Whether no item may be returned, whatever there is.
    pub(super) fn wants_nothing(&self) -> bool {
        self.k == 0 || self.filter.quota.is_some_and(|quota| quota.limit == 0)
    }

    /// What not to return for having been seen.
    pub(super) fn excluded(&self) -> &'a [u32] {
        if self.filter.exclude_seen { self.seen } else { &[] }
    }
}

impl Lists {
    /// The model's table.
    pub(super) fn part<'a, B>(&'a self, query: &Query<'a>, blocks: B) -> Part<'a, B> {
        let allow = query.filter.allow.map(|_| &self.allow[..]);
        Part { blocks, len: query.num_items, allow }
    }

    fn scan<B: Blocks, R: Ranking>(
        &self,
        backend: Backend,
        query: &Query<'_>,
        blocks: B,
        mut ranking: R,
    ) {
        let part = self.part(query, blocks);
        backend.run(Scan::new(part, query.excluded(), &self.deny, &mut ranking));
        ranking.finish();
    }
}
