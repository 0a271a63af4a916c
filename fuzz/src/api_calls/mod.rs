//! Sequences of calls against the plainest model of a user: the list of their events.

mod fleet;
mod user;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use fleet::{Fleet, FleetCall};
use recgrela::{Filter, Groups, Model, Quota, Scored, Session, TopK};
use user::{Call, Stored, User};

use crate::checks::ranked;
use crate::models;

/// Calls that one input makes at most.
const MAX_CALLS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Plan {
    model: u8,
    calls: Vec<Step>,
}

/// A call, and on which session of the [`World`] where it is one on a session.
#[derive(Arbitrary, Debug)]
enum Step {
    User(u8, Call),
    Store(u8),
    Restore(u8),
    CloneTo(u8, u8),
    Fleet(FleetCall),
    /// Into the fleet, or out of it.
    FleetSet(u8, u8),
    FleetSession(u8, u8),
}

/// An item: mostly one of the model's, else any number.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Item {
    Of(u8),
    Any(u32),
}

/// What a ranking goes by.
#[derive(Arbitrary, Debug)]
struct Wish {
    k: u16,
    exclude_seen: bool,
    allow: Option<Vec<Item>>,
    deny: Vec<Item>,
    /// How many groups the items are dealt out to, and how many items of one may be returned.
    quota: Option<(u8, u8)>,
}

/// A [`Wish`] as a query on a model.
struct Query<'a> {
    k: usize,
    filter: Filter<'a>,
    /// The group of each item, and the limit.
    quota: Option<(&'a [i64], usize)>,
    /// Whether the model has all items of the lists.
    known: bool,
}

/// Whatever was called, every session and every user of the fleet is the one that a replay of its
/// events gives, to the bit, and a call that fails changes nothing.
pub fn api_calls(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut world = World::new(models::models(plan.model));
    for step in plan.calls.iter().take(MAX_CALLS) {
        world.make(step);
    }
    world.users.iter().for_each(User::check);
    world.fleet.check();
}

/// One user for each instruction set, and a fleet. What one stores, another may restore.
struct World {
    users: Vec<User>,
    fleet: Fleet,
    stored: Stored,
    ranking: TopK,
}

impl World {
    fn new(models: &'static [Arc<Model>]) -> Self {
        let users: Vec<_> = models.iter().map(User::new).collect();
        let stored = users[0].store();
        Self { users, fleet: Fleet::new(&models[0]), stored, ranking: TopK::new() }
    }

    fn make(&mut self, step: &Step) {
        let count = self.users.len();
        let of = |which: u8| usize::from(which) % count;
        match step {
            Step::User(which, call) => self.users[of(*which)].make(call, &mut self.ranking),
            Step::Store(which) => self.stored = self.users[of(*which)].store(),
            Step::Restore(which) => self.users[of(*which)].restore(&self.stored),
            Step::CloneTo(which, other) => {
                self.users[of(*other)] = self.users[of(*which)].clone();
            }
            Step::Fleet(call) => self.fleet.make(call),
            Step::FleetSet(user, which) => self.fleet.set(*user, &self.users[of(*which)]),
            Step::FleetSession(user, which) => {
                self.users[of(*which)] = self.fleet.user(*user);
            }
        }
    }
}

/// Indices in the catalogue of `model`, or past it.
fn indices(model: &Model, items: &[Item]) -> Vec<u32> {
    let count = model.num_items() as u32;
    let index = |item: &Item| match *item {
        Item::Of(item) => u32::from(item) % count,
        Item::Any(item) => item,
    };
    items.iter().map(index).collect()
}

/// Whether the model has all of these.
fn knows(model: &Model, items: &[u32]) -> bool {
    items.iter().all(|&item| (item as usize) < model.num_items())
}

impl Wish {
    /// Calls with the query that it is on a model.
    fn ask<T>(&self, model: &Model, call: impl FnOnce(&Query<'_>) -> T) -> T {
        let allow = self.allow.as_ref().map(|items| indices(model, items));
        let deny = indices(model, &self.deny);
        let known = knows(model, &deny) && knows(model, allow.as_deref().unwrap_or_default());
        let (deal, limit) = self.quota.unwrap_or_default();
        let deal = |item: usize| (item % usize::from(deal).max(1)) as i64;
        let numbers: Vec<_> = (0..model.num_items()).map(deal).collect();
        let groups = Groups::new(model, &numbers).expect("a group for each item");
        let limit = usize::from(limit);
        let filter = Filter {
            exclude_seen: self.exclude_seen,
            allow: allow.as_deref(),
            deny: &deny,
            quota: self.quota.map(|_| Quota { groups: &groups, limit }),
        };
        let quota = self.quota.map(|_| (&numbers[..], limit));
        call(&Query { k: usize::from(self.k), filter, quota, known })
    }
}

impl Query<'_> {
    /// The answer by brute force.
    fn answer(&self, session: &Session) -> Vec<Scored> {
        ranked(session, self.k, &self.filter, self.quota)
    }
}
