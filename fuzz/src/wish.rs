//! Items and queries in an input, and the expected results.

use arbitrary::Arbitrary;
use recgrela::{Filter, Groups, Model, Quota, Scored, Session};

use crate::checks::ranked;

/// An item, mostly one of the catalogue.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Item {
    Of(u8),
    Any(u32),
}

/// The parameters of a ranking.
#[derive(Arbitrary, Debug)]
pub(crate) struct Wish {
    k: u16,
    exclude_seen: bool,
    allow: Option<Vec<Item>>,
    deny: Vec<Item>,
    /// The number of groups, and the limit per group.
    quota: Option<(u8, u8)>,
}

/// A [`Wish`] as a query on a model.
pub(crate) struct Query<'a> {
    pub(crate) k: usize,
    pub(crate) filter: Filter<'a>,
    /// The group of each item, and the limit.
    quota: Option<(&'a [i64], usize)>,
    /// Whether all items of the lists exist.
    pub(crate) known: bool,
}

/// Indices in a catalogue of `count` items, or out of range.
pub(crate) fn indices(count: usize, items: &[Item]) -> Vec<u32> {
    let index = |item: &Item| match *item {
        Item::Of(item) => u32::from(item) % count as u32,
        Item::Any(item) => item,
    };
    items.iter().map(index).collect()
}

/// Whether all these items are in a catalogue of `count` items.
pub(crate) fn knows(count: usize, items: &[u32]) -> bool {
    items.iter().all(|&item| (item as usize) < count)
}

impl Wish {
    /// Calls back with the query on a model.
    pub(crate) fn ask<T>(&self, model: &Model, call: impl FnOnce(&Query<'_>) -> T) -> T {
        let count = model.catalog().len();
        let allow = self.allow.as_ref().map(|items| indices(count, items));
        let deny = indices(count, &self.deny);
        let known = knows(count, &deny) && knows(count, allow.as_deref().unwrap_or_default());
        let (deal, limit) = self.quota.unwrap_or_default();
        let deal = |item: usize| (item % usize::from(deal).max(1)) as i64;
        // The last of the added items need not have a group.
        let grouped = count - (count - model.num_items()) * usize::from(limit % 3) / 2;
        let numbers: Vec<_> = (0..grouped).map(deal).collect();
        let groups = Groups::new(model, &numbers).expect("a group for each item");
        let limit = usize::from(limit);
        let mut filter = Filter::default().exclude_seen(self.exclude_seen).deny(&deny);
        filter.allow = allow.as_deref();
        filter.quota = self.quota.map(|_| Quota { groups: &groups, limit });
        let quota = self.quota.map(|_| (&numbers[..], limit));
        call(&Query { k: usize::from(self.k), filter, quota, known })
    }
}

impl Query<'_> {
    /// The result by brute force.
    pub(crate) fn answer(&self, session: &Session) -> Vec<Scored> {
        self.answer_without(&[], session)
    }

    /// The same with further items excluded.
    pub(crate) fn answer_without(&self, denied: &[u32], session: &Session) -> Vec<Scored> {
        let denied = [self.filter.deny, denied].concat();
        ranked(session, self.k, &self.filter.deny(&denied), self.quota)
    }
}
