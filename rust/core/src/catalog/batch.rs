//! Answers a query for many users. Each block of the catalogue is scored for a group of users while
//! it is in the L1 cache. Each user's scan does the same as [`TopK::answer`].

use std::array;

use super::best::Best;
use super::filter::{Excluded, Lists};
use super::first_pass::{FirstBlocks, first_pass};
use super::part::Part;
use super::query::{Query, User};
use super::ranking::Ranking;
use super::scan::Scan;
use super::topk::TopK;
use crate::model::{Hidden, Numbers, Visitor};
use crate::simd::{Backend, Kernel, Simd, TILE};

/// Users per group, who share one read of each block.
pub(crate) const GROUP_USERS: usize = 32;

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
        let mut first = Default::default();
        for rankings in rankings.chunks_mut(GROUP_USERS) {
            group.clear();
            group.extend(users.by_ref().take(rankings.len()));
            let group =
                Group { query: self, lists: &lists, users: &group, rankings, first: &mut first };
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
    first: &'a mut [FirstBlocks; TILE],
}

impl Visitor for Group<'_> {
    type Output = ();

    fn visit<N: Numbers>(self, numbers: N) {
        let Self { query, lists, users, rankings, first } = self;
        let mut each = Vec::with_capacity(users.len());
        for (user, TopK { worker, codes, .. }) in users.iter().zip(rankings) {
            each.push(One {
                hidden: Hidden::new::<N>(query.backend, user.hidden, codes),
                excluded: Excluded::new(user.excluded, &lists.deny),
                ranking: Ranking::Best(Best::new(query.k, &mut worker.heap, &mut worker.best)),
            });
        }
        let first = Some(&mut *first);
        scan(query.backend, Part::base(query, lists, numbers), &mut each, first);
        if let Some(part) = Part::overlay(query, lists) {
            scan(query.backend, part, &mut each, None);
        }
        each.into_iter().for_each(|one| one.ranking.finish());
    }
}

struct One<'a> {
    hidden: Hidden<'a>,
    excluded: Excluded<'a>,
    ranking: Ranking<'a>,
}

fn scan<N: Numbers>(
    backend: Backend,
    part: Part<'_, N>,
    each: &mut [One<'_>],
    first: Option<&mut [FirstBlocks; TILE]>,
) {
    let mut scans = Vec::with_capacity(each.len());
    for &mut One { hidden, excluded, ref mut ranking } in each {
        scans.push(Scan { part, hidden, excluded, ranking });
    }
    backend.run(Scans { part, scans: &mut scans, first });
}

/// The scan of a part for a group of users.
struct Scans<'s, 'a, 'k, N> {
    part: Part<'a, N>,
    scans: &'s mut [Scan<'a, 'k, N>],
    /// If given, starts with a first pass, which uses these buffers.
    first: Option<&'s mut [FirstBlocks; TILE]>,
}

impl<N: Numbers> Kernel for Scans<'_, '_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::TILES {
            true => self.tiles::<S, TILE>(simd),
            false => self.tiles::<S, 1>(simd),
        }
    }
}

impl<N: Numbers> Scans<'_, '_, '_, N> {
    /// Scans for U users at a time, and for the remaining ones one by one.
    #[inline(always)]
    fn tiles<S: Simd, const U: usize>(self, simd: S) {
        let (tiles, rest) = self.scans.as_chunks_mut::<U>();
        let mut left = self.part;
        if let Some(first) = self.first
            && let Some(buffers) = first.first_chunk_mut::<U>()
        {
            for tile in &mut *tiles {
                left = first_pass(simd, self.part, tile, buffers);
            }
            for scan in &mut *rest {
                left = first_pass(
                    simd,
                    self.part,
                    array::from_mut(scan),
                    array::from_mut(&mut buffers[0]),
                );
            }
        }
        for (block, lanes) in left.wanted() {
            for tile in &mut *tiles {
                let mut hidden = [tile[0].hidden; U];
                for u in 1..U {
                    hidden[u] = tile[u].hidden;
                }
                let bounds = left.numbers.bounds(simd, block, hidden);
                for u in 0..U {
                    tile[u].consider(simd, block, lanes, bounds[u].most);
                }
            }
            for scan in &mut *rest {
                scan.block(simd, block, lanes);
            }
        }
    }
}
