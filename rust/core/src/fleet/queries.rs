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
    /// Whether users without history get an empty ranking. Otherwise they are an error.
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
            with_history(users, &slots)?;
        }
        self.answer(&slots, k, &filter, rankings)
    }

    /// Checks that all users have a history. The error names those that have none.
    pub fn check_history<'a, U: Copy + Into<UserId<'a>>>(&self, users: &[U]) -> Result<()> {
        with_history(users, &self.slots_of(users)?)
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
        let present: Vec<_> =
            (0..slots.len()).filter_map(|index| Some((index, slots[index]?))).collect();
        let excluded = self.excluded(&present, filter);
        let users = present.iter().zip(&excluded).map(|(&(_, slot), denied)| User {
            hidden: self.hidden(slot),
            excluded: match denied {
                Some(list) => list,
                None if filter.filter.exclude_seen => &self.records[slot].seen,
                None => &[],
            },
        });
        rankings.resize_with(slots.len(), TopK::new);
        query.answer_each(users, &mut rankings[..present.len()]);
        // The answers are dense; users without history belong between them.
        for (from, &(to, _)) in present.iter().enumerate().rev() {
            rankings.swap(from, to);
        }
        for (ranking, _) in rankings.iter_mut().zip(slots).filter(|(_, slot)| slot.is_none()) {
            ranking.clear();
        }
        Ok(())
    }

    /// Per present user, with lists per user: all items to exclude, ascending.
    fn excluded(
        &self,
        present: &[(usize, usize)],
        filter: &FleetFilter<'_>,
    ) -> Vec<Option<Vec<u32>>> {
        let merged = |&(index, slot): &(usize, usize)| {
            let own = &filter.deny_each?[index];
            let seen = if filter.filter.exclude_seen { &self.records[slot].seen[..] } else { &[] };
            let mut list = [own, seen].concat();
            list.sort_unstable();
            Some(list)
        };
        present.iter().map(merged).collect()
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

    /// The hidden vector after a user's last event, of length D. Fails before the first event.
    pub fn user_vector<'a>(&self, user: impl Into<UserId<'a>>) -> Result<&[f32]> {
        let user = user.into();
        match self.users.slot(user)? {
            Some(slot) => Ok(self.hidden(slot)),
            None => Err(without_events(&[user])),
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

    fn hidden(&self, slot: usize) -> &[f32] {
        &self.arena.of(slot)[self.model.config().state_len()..]
    }
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
