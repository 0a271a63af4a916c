//! Which items may be returned.

use super::Quota;
use crate::Overlay;

/// Which items [`Session::top_k`](crate::Session::top_k) may return. Lists may be unordered and
/// repeat items.
///
/// ```
/// # use recgrela::Filter;
/// let filter = Filter::unseen().allow(&[3, 5, 8]).deny(&[5]);
/// assert!(filter.exclude_seen);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Filter<'a> {
    /// Exclude the items that the session has seen.
    pub exclude_seen: bool,
    /// If given, return only these items. Only their part of the catalogue is scored.
    pub allow: Option<&'a [u32]>,
    /// Exclude these items.
    pub deny: &'a [u32],
    /// If given, limit the items per group.
    pub quota: Option<Quota<'a>>,
}

impl<'a> Filter<'a> {
    /// Allows every item that the session has not seen.
    pub const fn unseen() -> Self {
        Self { exclude_seen: true, allow: None, deny: &[], quota: None }
    }

    /// Whether to exclude what the session has seen.
    pub const fn exclude_seen(self, exclude_seen: bool) -> Self {
        Self { exclude_seen, ..self }
    }

    /// Returns only these items.
    pub const fn allow(self, items: &'a [u32]) -> Self {
        Self { allow: Some(items), ..self }
    }

    /// Excludes these items.
    pub const fn deny(self, items: &'a [u32]) -> Self {
        Self { deny: items, ..self }
    }

    /// Limits the items per group.
    pub const fn quota(self, quota: Quota<'a>) -> Self {
        Self { quota: Some(quota), ..self }
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = u32> + 'a {
        self.allow.unwrap_or_default().iter().chain(self.deny).copied()
    }
}

/// A filter's lists, sorted, in reusable buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) allow: Vec<u32>,
    /// The rows of the overlay's table that hold items of `allow`.
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

/// Sorted lists of excluded items. Queries ascend, so each search continues from the last.
#[derive(Clone, Copy, Default)]
pub(super) struct Excluded<'a> {
    lists: [&'a [u32]; 2],
}

impl<'a> Excluded<'a> {
    pub(super) fn new(of_user: &'a [u32], deny: &'a [u32]) -> Self {
        Self { lists: [of_user, deny] }
    }

    /// Whether a list contains the item. It must not be smaller than in earlier calls.
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
