//! Which items may be recommended.

use super::Quota;
use crate::Overlay;

/// Which items [`Session::top_k`](crate::Session::top_k) may return. The lists may be in any order
/// and hold an item more than once.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Filter<'a> {
    /// Leave out what the session has seen.
    pub exclude_seen: bool,
    /// Only these, where given. Only their part of the catalogue is then scored.
    pub allow: Option<&'a [u32]>,
    /// None of these.
    pub deny: &'a [u32],
    /// At most so many of one group, where given.
    pub quota: Option<Quota<'a>>,
}

impl<'a> Filter<'a> {
    /// Every item that the session has not seen.
    pub const fn unseen() -> Self {
        Self { exclude_seen: true, allow: None, deny: &[], quota: None }
    }

    /// Every item of the lists.
    pub(crate) fn items(&self) -> impl Iterator<Item = u32> + 'a {
        self.allow.unwrap_or_default().iter().chain(self.deny).copied()
    }
}

/// The lists of a filter, ascending, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) allow: Vec<u32>,
    /// Where in the overlay's table items of `allow` are.
    pub(super) allow_rows: Vec<u32>,
    pub(super) deny: Vec<u32>,
}

impl Lists {
    pub(super) fn fill(&mut self, filter: &Filter<'_>, overlay: Option<&Overlay>) {
        sort_into(filter.deny, &mut self.deny);
        sort_into(filter.allow.unwrap_or_default(), &mut self.allow);
        self.allow_rows.clear();
        if let Some(overlay) = overlay {
            self.allow_rows.reserve(self.allow.len());
            let rows = self.allow.iter().filter_map(|&item| overlay.rows().row_of(item));
            self.allow_rows.extend(rows.map(|row| row as u32));
        }
    }
}

fn sort_into(list: &[u32], to: &mut Vec<u32>) {
    to.clear();
    to.extend_from_slice(list);
    to.sort_unstable();
}

/// Ascending lists of what to leave out. They are asked for ascending items only, so each question
/// moves on from the last.
#[derive(Clone, Copy, Default)]
pub(super) struct Excluded<'a> {
    lists: [&'a [u32]; 2],
}

impl<'a> Excluded<'a> {
    pub(super) fn new(seen: &'a [u32], deny: &'a [u32]) -> Self {
        Self { lists: [seen, deny] }
    }

    /// Whether a list has the item, which is not smaller than any asked for before.
    pub(super) fn contains(&mut self, item: u32) -> bool {
        let mut found = false;
        for list in &mut self.lists {
            while let [first, rest @ ..] = *list
                && *first < item
            {
                *list = rest;
            }
            found |= list.first() == Some(&item);
        }
        found
    }

    /// The items before `end`, list by list.
    pub(super) fn before(self, end: u32) -> impl Iterator<Item = u32> {
        self.lists
            .into_iter()
            .flat_map(move |list| list.iter().copied().take_while(move |&item| item < end))
    }
}
