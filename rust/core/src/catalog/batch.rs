//! Answers a query for many users. Each block of the catalogue is scored for a group of users while
//! it is in the L1 cache. Each user's scan does the same as [`TopK::answer`].

use super::filter::{Excluded, Lists};
use super::part::Part;
use super::query::{Query, User};
use super::ranking::{Best, Ranking};
use super::scan::Scan;
use super::topk::TopK;
use crate::model::{Hidden, Numbers, Visitor};
use crate::simd::{Backend, Kernel, Simd};

/// Users per group, who share one read of each block.
const GROUP_USERS: usize = 32;

impl Query<'_> {
    /// Answers the query for each user, into that user's ranking.
    pub(crate) fn answer_each<'a>(
        &self,
        mut users: impl Iterator<Item = User<'a>>,
        rankings: &mut [TopK],
    ) {
        if self.is_empty() {
            return rankings.iter_mut().for_each(|ranking| ranking.worker.best.clear());
        }
        if self.filter.quota.is_some() {
            return self.answer_one_by_one(users, rankings);
        }
        let mut lists = Lists::default();
        lists.fill(self.filter, self.catalog.overlay);
        let mut group = Vec::with_capacity(GROUP_USERS);
        for rankings in rankings.chunks_mut(GROUP_USERS) {
            group.clear();
            group.extend(users.by_ref().take(rankings.len()));
            let group = Group { query: self, lists: &lists, users: &group, rankings };
            self.catalog.table.visit(self.catalog.file, group);
        }
    }

    /// With a quota, each group has its own threshold, and few blocks can be skipped for many users
    /// at once. The group counts are too large to keep per user, so one ranking is reused for all.
    fn answer_one_by_one<'a>(&self, users: impl Iterator<Item = User<'a>>, rankings: &mut [TopK]) {
        let mut one = TopK::new();
        for (user, ranking) in users.zip(rankings) {
            one.answer(self, user);
            ranking.worker.best.clone_from(&one.worker.best);
        }
    }
}

struct Group<'a> {
    query: &'a Query<'a>,
    lists: &'a Lists,
    users: &'a [User<'a>],
    rankings: &'a mut [TopK],
}

impl Visitor for Group<'_> {
    type Output = ();

    fn visit<N: Numbers>(self, numbers: N) {
        let Self { query, lists, users, rankings } = self;
        let mut each = Vec::with_capacity(users.len());
        for (user, TopK { worker, codes, .. }) in users.iter().zip(rankings) {
            each.push(One {
                hidden: Hidden::new::<N>(user.hidden, codes),
                excluded: Excluded::new(user.excluded, &lists.deny),
                ranking: Best::new(query.k, &mut worker.heap, &mut worker.best),
            });
        }
        scan(query.backend, Part::base(query, lists, numbers), &mut each);
        if let Some(part) = Part::overlay(query, lists) {
            scan(query.backend, part, &mut each);
        }
        each.into_iter().for_each(|one| one.ranking.finish());
    }
}

struct One<'a> {
    hidden: Hidden<'a>,
    excluded: Excluded<'a>,
    ranking: Best<'a>,
}

fn scan<N: Numbers>(backend: Backend, part: Part<'_, N>, each: &mut [One<'_>]) {
    let mut scans = Vec::with_capacity(each.len());
    for &mut One { hidden, excluded, ref mut ranking } in each {
        scans.push(Scan { part, hidden, excluded, ranking });
    }
    backend.run(Scans { part, scans: &mut scans });
}

/// The scan of a part for a group of users.
struct Scans<'s, 'a, N, R> {
    part: Part<'a, N>,
    scans: &'s mut [Scan<'a, N, R>],
}

impl<N: Numbers, R: Ranking> Kernel for Scans<'_, '_, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { part, scans } = self;
        for (block, lanes) in part.wanted() {
            consider(simd, scans, block, lanes);
        }
    }
}

#[inline(always)]
fn consider<S: Simd, N: Numbers, R: Ranking>(
    simd: S,
    scans: &mut [Scan<'_, N, R>],
    block: usize,
    lanes: u32,
) {
    match S::TILE {
        4 => consider_tiles::<S, N, R, 4>(simd, scans, block, lanes),
        _ => consider_tiles::<S, N, R, 2>(simd, scans, block, lanes),
    }
}

/// Like [`consider`], for U users at a time, and for the remaining ones one by one.
#[inline(always)]
fn consider_tiles<S: Simd, N: Numbers, R: Ranking, const U: usize>(
    simd: S,
    scans: &mut [Scan<'_, N, R>],
    block: usize,
    lanes: u32,
) {
    let (tiles, rest) = scans.as_chunks_mut::<U>();
    for tile in tiles {
        let mut hidden = [tile[0].hidden; U];
        for u in 1..U {
            hidden[u] = tile[u].hidden;
        }
        let rows = tile[0].part.numbers.upper_bounds(simd, block, hidden);
        for u in 0..U {
            tile[u].consider(simd, block, lanes, rows[u]);
        }
    }
    for scan in rest {
        scan.block(simd, block, lanes);
    }
}
