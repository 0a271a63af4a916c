//! What a fleet knows of its users, and recommends to them.

use super::{Fleet, UserId};
use crate::catalog::{Query, Scores, User};
use crate::error::Cause;
use crate::{Error, Filter, Result, Scored, TopK};

/// Which items [`Fleet::top_k`] may return, and for which users. A [`Filter`] is one for all users.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct FleetFilter<'a> {
    /// The filter of every user.
    pub filter: Filter<'a>,
    /// If given, further items to exclude, one list per user. Lists may be unordered.
    pub deny_each: Option<&'a [Vec<u32>]>,
    /// Whether users without history get an empty ranking. Otherwise the model's start vector
    /// answers for them, and without one they are an error.
    pub skip_without_history: bool,
}

impl<'a> FleetFilter<'a> {
    /// Excludes further items, one list per user.
    pub const fn deny_each(self, lists: &'a [Vec<u32>]) -> Self {
        Self { deny_each: Some(lists), ..self }
    }

    /// Whether users without history get an empty ranking.
    pub const fn skip_without_history(self, skip: bool) -> Self {
        Self { skip_without_history: skip, ..self }
    }
}

impl<'a> From<&Filter<'a>> for FleetFilter<'a> {
    fn from(filter: &Filter<'a>) -> Self {
        Self { filter: *filter, deny_each: None, skip_without_history: false }
    }
}

impl Fleet {
    /// [`Session::top_k`](crate::Session::top_k) for each user. The filter's lists apply to all
    /// users, unless they are in a [`FleetFilter`]; seen items are per user. A user may occur more
    /// than once.
    pub fn top_k<'a, 'f, U: Copy + Into<UserId<'a>>>(
        &self,
        users: &[U],
        k: usize,
        filter: impl Into<FleetFilter<'f>>,
    ) -> Result<Vec<Vec<Scored>>> {
        let mut rankings = Vec::new();
        self.top_k_into(users, k, filter, &mut rankings)?;
        Ok(rankings.into_iter().map(TopK::into_items).collect())
    }

    /// [`Fleet::top_k`] into reusable rankings, resized to one per user. Unchanged on an error.
    pub fn top_k_into<'a, 'f, U: Copy + Into<UserId<'a>>>(
        &self,
        users: &[U],
        k: usize,
        filter: impl Into<FleetFilter<'f>>,
        rankings: &mut Vec<TopK>,
    ) -> Result<()> {
        let filter = filter.into();
        let slots = self.slots_of(users)?;
        if !filter.skip_without_history {
            self.answerable(users, &slots)?;
        }
        self.answer(&slots, k, &filter, rankings)
    }

    /// Checks that all users have a history, unless the model has a start vector. The error names
    /// those that have none.
    pub fn check_history<'a, U: Copy + Into<UserId<'a>>>(&self, users: &[U]) -> Result<()> {
        self.answerable(users, &self.slots_of(users)?)
    }

    fn answerable<'a, U>(&self, users: &[U], slots: &[Option<usize>]) -> Result<()>
    where
        U: Copy + Into<UserId<'a>>,
    {
        if self.model.config().start { Ok(()) } else { with_history(users, slots) }
    }

    fn slots_of<'a, U: Copy + Into<UserId<'a>>>(&self, users: &[U]) -> Result<Vec<Option<usize>>> {
        users.iter().map(|&user| self.users.slot(user.into())).collect()
    }

    /// Answers for users by their slots.
    fn answer(
        &self,
        slots: &[Option<usize>],
        k: usize,
        filter: &FleetFilter<'_>,
        rankings: &mut Vec<TopK>,
    ) -> Result<()> {
        let overlay = self.model.overlay();
        let query = Query::new(&self.model, overlay.as_deref(), k, &filter.filter)?;
        if let Some(lists) = filter.deny_each {
            if lists.len() != slots.len() {
                let (found, expected) = (lists.len(), slots.len());
                return Err(Cause::DenyLengths { found, expected }.into());
            }
            let catalog = self.model.view(overlay.as_deref());
            catalog.check(lists.iter().flatten().copied())?;
        }
        let start = if filter.skip_without_history { None } else { self.start() };
        let answered = |index: usize| match slots[index] {
            Some(slot) => Some((index, self.hidden(slot), &self.records[slot].seen[..])),
            None => Some((index, start?, &[][..])),
        };
        let present: Vec<_> = (0..slots.len()).filter_map(answered).collect();
        let excluded = excluded(&present, filter);
        let users = present.iter().zip(&excluded).map(|(&(_, hidden, seen), denied)| User {
            hidden,
            excluded: match denied {
                Some(list) => list,
                None if filter.filter.exclude_seen => seen,
                None => &[],
            },
        });
        let users: Vec<_> = users.collect();
        rankings.resize_with(slots.len(), TopK::new);
        self.workers.answer(&query, &users, &mut rankings[..present.len()]);
        // The answers are dense; users who are skipped belong between them.
        for (from, &(to, ..)) in present.iter().enumerate().rev() {
            rankings.swap(from, to);
        }
        if start.is_none() {
            let skipped = rankings.iter_mut().zip(slots).filter(|(_, slot)| slot.is_none());
            skipped.for_each(|(ranking, _)| ranking.clear());
        }
        Ok(())
    }

    /// The scores of items for a user, in the given order, like
    /// [`Session::score`](crate::Session::score).
    pub fn score<'a>(&self, user: impl Into<UserId<'a>>, items: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.user_vector(user)?;
        let overlay = self.model.overlay();
        let catalog = self.model.view(overlay.as_deref());
        catalog.check(items.iter().copied())?;
        let mut scores = vec![0.0; items.len()];
        self.model.backend.run(Scores { catalog, hidden, items, scores: &mut scores });
        Ok(scores)
    }

    /// The hidden vector after a user's last event, of length D, like
    /// [`Session::user_vector`](crate::Session::user_vector).
    pub fn user_vector<'a>(&self, user: impl Into<UserId<'a>>) -> Result<&[f32]> {
        let user = user.into();
        match self.users.slot(user)? {
            Some(slot) => Ok(self.hidden(slot)),
            None => self.start().ok_or_else(|| without_events(&[user])),
        }
    }

    /// The number of a user's events so far.
    pub fn events<'a>(&self, user: impl Into<UserId<'a>>) -> Result<u64> {
        Ok(self.users.slot(user.into())?.map_or(0, |slot| self.records[slot].events))
    }

    /// A user's distinct items so far, ascending.
    pub fn seen<'a>(&self, user: impl Into<UserId<'a>>) -> Result<&[u32]> {
        Ok(self.users.slot(user.into())?.map_or(&[][..], |slot| &self.records[slot].seen))
    }

    fn start(&self) -> Option<&[f32]> {
        self.model.network.start.as_deref()
    }

    fn hidden(&self, slot: usize) -> &[f32] {
        &self.arena.of(slot)[self.model.config().state_len()..]
    }
}

/// Per answered user, with lists per user: all items to exclude, ascending. Takes the index, the
/// hidden vector and the seen items of each.
fn excluded(
    answered: &[(usize, &[f32], &[u32])],
    filter: &FleetFilter<'_>,
) -> Vec<Option<Vec<u32>>> {
    let merged = |&(index, _, seen): &(usize, &[f32], &[u32])| {
        let own = &filter.deny_each?[index];
        let seen = if filter.filter.exclude_seen { seen } else { &[] };
        let mut list = [own, seen].concat();
        list.sort_unstable();
        Some(list)
    };
    answered.iter().map(merged).collect()
}

fn with_history<'a, U: Copy + Into<UserId<'a>>>(
    users: &[U],
    slots: &[Option<usize>],
) -> Result<()> {
    let without = users.iter().zip(slots).filter(|(_, slot)| slot.is_none());
    let mut without: Vec<UserId<'_>> = without.map(|(&user, _)| user.into()).collect();
    if without.is_empty() {
        return Ok(());
    }
    without.sort_unstable();
    without.dedup();
    Err(without_events(&without))
}

/// An error that names the first users.
fn without_events(users: &[UserId<'_>]) -> Error {
    let first = users.iter().take(20).map(UserId::to_string).collect();
    Cause::UsersWithoutEvents { first, count: users.len() }.into()
}
