//! Sequences of calls against the plainest model of a user: the list of their events.

mod catalogue;
mod fleet;
mod user;

use arbitrary::{Arbitrary, Unstructured};
use catalogue::Catalogues;
use fleet::{Fleet, FleetCall};
use recgrela::TopK;
use user::{Call, Stored, User};

use crate::change::Change;

/// Calls that one input makes at most.
const MAX_CALLS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Plan<'a> {
    model: u8,
    calls: Vec<Step<'a>>,
}

/// A call, and on which session of the [`World`] where it is one on a session.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    User(u8, Call),
    Store(u8),
    Restore(u8),
    CloneTo(u8, u8),
    Fleet(FleetCall),
    /// Into the fleet, or out of it.
    FleetSet(u8, u8),
    FleetSession(u8, u8),
    /// The catalogue of one of the models becomes a new one.
    Change(u8, Change<'a>),
    /// The catalogue of one of the models becomes one that there was, from its file.
    Overlay(u8, u8),
}

/// Whatever was called, every session and every user of the fleet is the one that a replay of its
/// events gives, each under the catalogue of its time, to the bit, and a call that fails changes
/// nothing.
pub fn api_calls(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut world = World::new(plan.model);
    for step in plan.calls.iter().take(MAX_CALLS) {
        world.make(step);
    }
    world.users.iter().for_each(|user| user.check(&world.catalogues));
    world.fleet.check(&world.catalogues);
    world.catalogues.check();
}

/// One user for each instruction set, each on a model of its own, and a fleet on another one. What
/// one stores, another may restore.
struct World {
    catalogues: Catalogues,
    users: Vec<User>,
    fleet: Fleet,
    stored: Stored,
    ranking: TopK,
}

impl World {
    fn new(model: u8) -> Self {
        let catalogues = Catalogues::new(model);
        let (fleet, models) = catalogues.models().split_last().expect("one of the fleet");
        let users: Vec<_> = models.iter().map(User::new).collect();
        let (stored, fleet) = (users[0].store(), Fleet::new(fleet));
        Self { catalogues, users, fleet, stored, ranking: TopK::new() }
    }

    fn make(&mut self, step: &Step<'_>) {
        let count = self.users.len();
        let of = |which: u8| usize::from(which) % count;
        let catalogues = &mut self.catalogues;
        match step {
            Step::User(which, call) => {
                self.users[of(*which)].make(call, &mut self.ranking, catalogues);
            }
            Step::Store(which) => self.stored = self.users[of(*which)].store(),
            Step::Restore(which) => self.users[of(*which)].restore(&self.stored, catalogues),
            Step::CloneTo(which, other) => {
                self.users[of(*other)] = self.users[of(*which)].clone();
            }
            Step::Fleet(call) => self.fleet.make(call, catalogues),
            Step::FleetSet(user, which) => self.fleet.set(*user, &self.users[of(*which)]),
            Step::FleetSession(user, which) => {
                self.users[of(*which)] = self.fleet.user(*user);
            }
            Step::Change(model, change) => catalogues.change(*model, change),
            Step::Overlay(model, version) => catalogues.take_over(*model, *version),
        }
    }
}
