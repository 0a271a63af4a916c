//! The best items for many users: a block of the catalogue is scored for a group of them while it is
//! in the fastest cache. Each user's scan is the one of [`TopK::answer`], block by block.

use super::blocks::{Blocks, Floats, Integers};
use super::filter::{Filter, Lists};
use super::ranking::{Best, Ranking};
use super::scan::{Part, Scan};
use super::topk::{Query, TopK};
use crate::kernels::integer_scores::Rounded;
use crate::model::{Overlay, Table, View};
use crate::simd::{Backend, Kernel, Simd};

/// Users that a block is read for once.
const GROUP_USERS: usize = 32;

/// What the queries of a batch share.
pub(crate) struct Batch {
    lists: Lists,
}

impl Batch {
    /// A batch of queries that have this filter, under an overlay.
    pub(crate) fn new(filter: &Filter<'_>, overlay: Option<&Overlay>) -> Self {
        let mut lists = Lists::default();
        lists.fill(filter, overlay);
        Self { lists }
    }

    /// Answers queries on one catalogue that differ in the user only, each in its ranking.
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

    fn answer_group(&self, backend: Backend, queries: &[Query<'_>], rankings: &mut [TopK]) {
        let Some(first @ &Query { catalog: View { table, file, .. }, .. }) = queries.first() else {
            return;
        };
        if first.filter.quota.is_some() {
            return answer_one_by_one(backend, queries, rankings);
        }
        if first.wants_nothing() {
            return rankings.iter_mut().for_each(|ranking| ranking.worker.best.clear());
        }
        let take = |ranking: &mut TopK| std::mem::take(&mut ranking.codes);
        let mut codes: Vec<_> = rankings.iter_mut().map(take).collect();
        let hidden = queries.iter().map(|query| query.hidden);
        match table {
            Table::F32(table) => {
                let features = table.features(file);
                let blocks = hidden.map(|hidden| Floats { features, hidden });
                self.rank(backend, queries, blocks, rankings);
            }
            Table::F16(table) => {
                let features = table.features(file);
                let blocks = hidden.map(|hidden| Floats { features, hidden });
                self.rank(backend, queries, blocks, rankings);
            }
            Table::Int8(table) => {
                let (groups, scales) = (table.groups(file), table.scales(file));
                let blocks = hidden.zip(&mut codes).map(|(hidden, codes)| {
                    let rounded = Rounded::new(hidden, codes);
                    Integers { groups, scales, hidden, rounded }
                });
                self.rank(backend, queries, blocks, rankings);
            }
        }
        for (ranking, codes) in rankings.iter_mut().zip(codes) {
            ranking.codes = codes;
        }
    }

    fn rank<B: Blocks>(
        &self,
        backend: Backend,
        queries: &[Query<'_>],
        blocks: impl Iterator<Item = B>,
        rankings: &mut [TopK],
    ) {
        let k = queries[0].k;
        let mut bests: Vec<_> = Vec::with_capacity(rankings.len());
        for ranking in rankings {
            bests.push(Best::new(k, &mut ranking.worker.heap, &mut ranking.worker.best));
        }
        self.lists.scan_each(backend, queries, blocks, bests);
    }
}

/// With a quota there is a bar a group, and few blocks that many users pass over together. What
/// counts the groups is too much to keep for each user, so one ranking serves all.
fn answer_one_by_one(backend: Backend, queries: &[Query<'_>], rankings: &mut [TopK]) {
    let mut one = TopK::new();
    for (query, ranking) in queries.iter().zip(rankings) {
        one.answer(backend, query);
        ranking.worker.best.clone_from(&one.worker.best);
    }
}

impl Lists {
    /// Has each ranking see the catalogue for its query.
    fn scan_each<B: Blocks>(
        &self,
        backend: Backend,
        queries: &[Query<'_>],
        blocks: impl Iterator<Item = B>,
        mut rankings: Vec<Best<'_>>,
    ) {
        let base = queries.iter().zip(blocks).map(|(query, blocks)| self.base_part(query, blocks));
        self.scan_parts(backend, queries, base, &mut rankings);
        if let Some(overlay) = queries[0].catalog.overlay {
            let parts = queries.iter().map(|query| self.overlay_part(query, overlay));
            self.scan_parts(backend, queries, parts, &mut rankings);
        }
        rankings.into_iter().for_each(Ranking::finish);
    }

    fn scan_parts<'a, B: Blocks, R: Ranking>(
        &'a self,
        backend: Backend,
        queries: &'a [Query<'_>],
        parts: impl Iterator<Item = Part<'a, B>>,
        rankings: &'a mut [R],
    ) {
        let scans = queries.iter().zip(parts).zip(rankings);
        let scan = |((query, part), ranking): ((&'a Query<'_>, _), _)| {
            Scan::new(part, query.excluded(), &self.deny, ranking)
        };
        let mut scans: Vec<_> = scans.map(scan).collect();
        backend.run(Scans { scans: &mut scans });
    }
}

/// The pass over parts that are alike, for a group of users.
struct Scans<'s, 'a, B, R> {
    scans: &'s mut [Scan<'a, B, R>],
}

impl<B: Blocks, R: Ranking> Kernel for Scans<'_, '_, B, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let scans = self.scans;
        let Some(&Scan { part, .. }) = scans.first() else { return };
        for (block, lanes) in part.wanted() {
            consider(simd, scans, block, lanes);
        }
    }
}

/// One block for every user.
#[inline(always)]
fn consider<S: Simd, B: Blocks, R: Ranking>(
    simd: S,
    scans: &mut [Scan<'_, B, R>],
    block: usize,
    lanes: u32,
) {
    match S::TILE {
        4 => consider_tiles::<S, B, R, 4>(simd, scans, block, lanes),
        _ => consider_tiles::<S, B, R, 2>(simd, scans, block, lanes),
    }
}

/// The same for U users at a time, and for those left over one by one.
#[inline(always)]
fn consider_tiles<S: Simd, B: Blocks, R: Ranking, const U: usize>(
    simd: S,
    scans: &mut [Scan<'_, B, R>],
    block: usize,
    lanes: u32,
) {
    let (tiles, rest) = scans.as_chunks_mut::<U>();
    for tile in tiles {
        let mut blocks = [&tile[0].part.blocks; U];
        for u in 1..U {
            blocks[u] = &tile[u].part.blocks;
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
