//! The best items: the face of the scan, and the memory that it uses again.

use std::collections::BinaryHeap;

use super::blocks::{Blocks, Floats, Integers};
use super::filter::{Filter, Lists};
use super::quota::{Limited, Tallies};
use super::ranking::{Best, Ranked, Ranking, Scored};
use super::scan::{Part, Scan};
use super::{Overlay, Table, View};
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
        self.lists.fill(query.filter, query.catalog.overlay);
        let (hidden, file) = (query.hidden, query.catalog.file);
        match query.catalog.table {
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
    pub(crate) catalog: View<'a>,
    pub(crate) hidden: &'a [f32],
    /// How many items to return, at most as many as there are.
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
    pub(super) fn base_part<'a, B>(&'a self, query: &Query<'a>, blocks: B) -> Part<'a, B> {
        let View { num_items, overlay, .. } = query.catalog;
        let end = self.allow.partition_point(|&item| (item as usize) < num_items);
        Part {
            blocks,
            len: num_items,
            items: &[],
            rest: 0,
            allow: query.filter.allow.map(|_| &self.allow[..end]),
            left_out: overlay.map_or(&[], |overlay| &overlay.base_left_out),
        }
    }

    /// The overlay's table.
    pub(super) fn overlay_part<'a>(
        &'a self,
        query: &Query<'a>,
        overlay: &'a Overlay,
    ) -> Part<'a, Floats<'a, f32>> {
        let rows = overlay.rows();
        Part {
            blocks: Floats { features: rows.features(), hidden: query.hidden },
            len: rows.len(),
            items: rows.replaced(),
            rest: rows.num_items(),
            allow: query.filter.allow.map(|_| &self.allow_rows[..]),
            left_out: &overlay.rows_left_out,
        }
    }

    fn scan<B: Blocks, R: Ranking>(
        &self,
        backend: Backend,
        query: &Query<'_>,
        blocks: B,
        mut ranking: R,
    ) {
        let base = self.base_part(query, blocks);
        backend.run(Scan::new(base, query.excluded(), &self.deny, &mut ranking));
        if let Some(overlay) = query.catalog.overlay {
            let part = self.overlay_part(query, overlay);
            backend.run(Scan::new(part, query.excluded(), &self.deny, &mut ranking));
        }
        ranking.finish();
    }
}
