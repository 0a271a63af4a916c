//! The best items for many users: a block of the catalogue is scored for a group of them while it is
//! in the fastest cache. Each user's scan is the one of [`TopK::answer`], block by block.

use super::Table;
use super::blocks::{Blocks, Floats, Integers};
use super::filter::Filter;
use super::topk::{Lists, Query, Scan, TopK, allowed_blocks, sort_into};
use crate::kernels::integer_scan::Rounded;
use crate::kernels::scan::BLOCK;
use crate::simd::{Backend, Kernel, Simd};

/// Users that a block is read for once.
const GROUP_USERS: usize = 32;

/// What the queries of a batch share.
pub(crate) struct Batch {
    /// Ascending, where only these may be returned.
    allow: Option<Vec<u32>>,
    /// Ascending.
    deny: Vec<u32>,
}

impl Batch {
    /// A batch of queries that have this filter.
    pub(crate) fn new(filter: &Filter<'_>) -> Self {
        let sorted = |list| {
            let mut sorted = Vec::new();
            sort_into(list, &mut sorted);
            sorted
        };
        Self { allow: filter.allow.map(sorted), deny: sorted(filter.deny) }
    }

    /// Answers queries on one table, each in its ranking.
    pub(crate) fn answer<'a>(
        &self,
        backend: Backend,
        mut queries: impl Iterator<Item = Query<'a>>,
        rankings: &mut [TopK],
    ) {
        let mut group = Vec::with_capacity(GROUP_USERS);
        for rankings in rankings.chunks_mut(GROUP_USERS) {
            group.clear();
            group.extend(queries.by_ref().take(rankings.len()));
            self.answer_group(backend, &group, rankings);
        }
    }

    fn answer_group<'a>(
        &'a self,
        backend: Backend,
        queries: &'a [Query<'a>],
        rankings: &mut [TopK],
    ) {
        let Some(&Query { table, file, .. }) = queries.first() else { return };
        let take = |ranking: &mut TopK| std::mem::take(&mut ranking.codes);
        let mut codes: Vec<_> = rankings.iter_mut().map(take).collect();
        let queries = queries.iter().zip(&mut codes);
        match table {
            Table::F32(table) => {
                let features = table.features(file);
                let blocks = |(query, _): (&'a Query<'a>, _)| {
                    (query, Floats { features, hidden: query.hidden })
                };
                self.scan(backend, queries.map(blocks), rankings);
            }
            Table::F16(table) => {
                let features = table.features(file);
                let blocks = |(query, _): (&'a Query<'a>, _)| {
                    (query, Floats { features, hidden: query.hidden })
                };
                self.scan(backend, queries.map(blocks), rankings);
            }
            Table::Int8(table) => {
                let (groups, scales) = (table.groups(file), table.scales(file));
                let blocks = |(query, codes): (&'a Query<'a>, _)| {
                    let hidden = query.hidden;
                    let rounded = Rounded::new(hidden, codes);
                    (query, Integers { groups, scales, hidden, rounded })
                };
                self.scan(backend, queries.map(blocks), rankings);
            }
        }
        for (ranking, codes) in rankings.iter_mut().zip(codes) {
            ranking.codes = codes;
        }
    }

    fn scan<'a, B: Blocks>(
        &'a self,
        backend: Backend,
        queries: impl Iterator<Item = (&'a Query<'a>, B)>,
        rankings: &mut [TopK],
    ) {
        let lists = Lists { allow: self.allow.as_deref().unwrap_or_default(), deny: &self.deny };
        let scan = |((query, blocks), ranking): ((&'a Query<'a>, B), &mut TopK)| {
            Scan::new(query, blocks, lists, ranking.start(query.k))
        };
        let mut scans: Vec<_> = queries.zip(rankings.iter_mut()).map(scan).collect();
        backend.run(Scans { scans: &mut scans, allow: self.allow.as_deref() });
        for (ranking, scan) in rankings.iter_mut().zip(scans) {
            ranking.take(scan.best);
        }
    }
}

/// The pass over the table for a group of users.
struct Scans<'s, 'a, B> {
    scans: &'s mut [Scan<'a, B>],
    /// Ascending, where only these may be returned.
    allow: Option<&'a [u32]>,
}

impl<B: Blocks> Kernel for Scans<'_, '_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scans, allow } = self;
        // All have the same k. With none to be kept, there would be no score to beat.
        let Some(&Scan { num_items, k: 1.., .. }) = scans.first() else { return };
        match allow {
            None => {
                for block in 0..num_items.div_ceil(BLOCK) {
                    consider(simd, scans, block, u32::MAX);
                }
            }
            Some(allow) => {
                for (block, lanes) in allowed_blocks(allow) {
                    consider(simd, scans, block, lanes);
                }
            }
        }
    }
}

/// One block for every user.
#[inline(always)]
fn consider<S: Simd, B: Blocks>(simd: S, scans: &mut [Scan<'_, B>], block: usize, lanes: u32) {
    match S::TILE {
        4 => consider_tiles::<S, B, 4>(simd, scans, block, lanes),
        _ => consider_tiles::<S, B, 2>(simd, scans, block, lanes),
    }
}

/// The same for U users at a time, and for those left over one by one.
#[inline(always)]
fn consider_tiles<S: Simd, B: Blocks, const U: usize>(
    simd: S,
    scans: &mut [Scan<'_, B>],
    block: usize,
    lanes: u32,
) {
    let (tiles, rest) = scans.as_chunks_mut::<U>();
    for tile in tiles {
        let mut blocks = [&tile[0].blocks; U];
        for u in 1..U {
            blocks[u] = &tile[u].blocks;
        }
        let rows = B::at_most_each(blocks, simd, block);
        for u in 0..U {
            tile[u].consider(simd, block, lanes, rows[u]);
        }
    }
    for scan in rest {
        scan.block(simd, block, lanes);
    }
}
