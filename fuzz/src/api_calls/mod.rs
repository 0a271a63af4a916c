//! Sequences of calls, compared with the simplest model of a user: a list of events.

mod catalogue;
mod fleet;
mod user;

use arbitrary::{Arbitrary, Unstructured};
use catalogue::Catalogues;
use fleet::{Fleet, FleetCall};
use recgrela::TopK;
use user::{Call, Stored, User};

use crate::change::Change;

/// Maximum number of calls per input.
const MAX_CALLS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Plan<'a> {
    model: u8,
    calls: Vec<Step<'a>>,
}

/// A call, with the session of the [`World`] if it is one on a session.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    User(u8, Call),
    Store(u8),
    Restore(u8),
    CloneTo(u8, u8),
    Fleet(FleetCall),
    /// Moves a session into the fleet or out of it.
    FleetSet(u8, u8),
    FleetSession(u8, u8),
    /// Gives one of the models a new catalogue.
    Change(u8, Change<'a>),
    /// Gives one of the models an earlier catalogue, from its file.
    Overlay(u8, u8),
}

/// After any calls, every session and every user of the fleet equals a replay of its events, each
/// under the catalogue of its time, bit for bit. A failed call changes nothing.
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

/// One user per instruction set, each on its own model, and a fleet on another model. Each may
/// restore the snapshots of the others.
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
