//! The best items: the face of the scan, and the memory that it uses again.

use super::blocks::{Blocks, Floats, Integers};
use super::filter::{Filter, Lists};
use super::ranking::Scored;
use super::scan::Part;
#[cfg(not(feature = "threads"))]
use super::scan::Shard;
#[cfg(feature = "threads")]
use super::threads::Helpers;
use super::worker::{Task, Worker};
use crate::kernels::block_scores::BLOCK;
use crate::kernels::integer_scores::Rounded;
use crate::model::{Overlay, Table, View};
use crate::simd::{Backend, GROUP};

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
///     println!("after {item}: {:?}", best.items());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TopK {
    lists: Lists,
    pub(super) worker: Worker,
    #[cfg(feature = "threads")]
    helpers: Helpers,
    pub(super) codes: Vec<[i8; GROUP]>,
}

impl TopK {
    /// An empty ranking.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets up to `count` threads of rayon's pool, at most 256, share a query that looks at more than
    /// 100,000 items; the answer is the same, bit for bit. With 0 or 1, and for smaller queries,
    /// there is the caller's thread only, and so there is for those of a fleet. Handing out work may
    /// allocate.
    #[cfg(feature = "threads")]
    pub fn with_threads(self, count: usize) -> Self {
        Self { helpers: Helpers::new(count), ..self }
    }

    /// The items of the last query, the best first.
    pub fn items(&self) -> &[Scored] {
        &self.worker.best
    }

    /// The items of the last query, the best first.
    pub fn into_items(self) -> Vec<Scored> {
        self.worker.best
    }

    /// Answers a query.
    pub(crate) fn answer(&mut self, backend: Backend, query: &Query<'_>) {
        if query.wants_nothing() {
            return self.worker.best.clear();
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
        let task = Task { backend, query, lists: &self.lists, blocks };
        #[cfg(feature = "threads")]
        self.helpers.rank(&task, &mut self.worker);
        #[cfg(not(feature = "threads"))]
        self.worker.rank(&task, Shard::WHOLE);
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
            range: (0, num_items.div_ceil(BLOCK)),
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
            range: (0, rows.len().div_ceil(BLOCK)),
            items: rows.replaced(),
            rest: rows.num_items(),
            allow: query.filter.allow.map(|_| &self.allow_rows[..]),
            left_out: &overlay.rows_left_out,
        }
    }
}
