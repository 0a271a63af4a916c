//! A fleet and the events of its users.

use std::sync::Arc;

use arbitrary::Arbitrary;
use recgrela::{Model, Session};

use super::catalogue::{Catalogues, Event};
use super::user::User;
use crate::checks::{all_scores, bits, text};
use crate::wish::{Item, Wish, indices, knows};

const CAPACITY: u32 = 5;

/// Maximum number of events per user.
const MAX_EVENTS: usize = 128;

/// A call on the fleet. Users are mostly within the capacity.
#[derive(Arbitrary, Debug)]
pub(super) enum FleetCall {
    Append(Vec<(u8, Item)>),
    /// Lists of different lengths.
    AppendUneven(u8, Vec<Item>),
    TopK(Vec<u8>, Wish),
    Score(u8, Vec<Item>),
    Reset(u8),
}

pub(super) struct Fleet {
    fleet: recgrela::Fleet,
    users: Vec<Vec<Event>>,
}

/// 0 to 7, the last of which exceed the capacity.
fn number(user: u8) -> u32 {
    u32::from(user % 8)
}

impl Fleet {
    pub(super) fn new(model: &Arc<Model>) -> Self {
        let fleet = recgrela::Fleet::new(Arc::clone(model), CAPACITY).expect("a small fleet");
        Self { fleet, users: vec![vec![]; CAPACITY as usize] }
    }

    pub(super) fn make(&mut self, call: &FleetCall, catalogues: &Catalogues) {
        match call {
            FleetCall::Append(events) => self.append(events, catalogues),
            FleetCall::AppendUneven(count, items) => {
                let users = vec![0; usize::from(*count)];
                let items = self.indices(items);
                if users.len() != items.len() {
                    text(&self.fleet.append(&users, &items).expect_err("other lengths"));
                }
            }
            FleetCall::TopK(users, wish) => self.top_k(users, wish, catalogues),
            FleetCall::Score(user, items) => self.score(number(*user), items, catalogues),
            FleetCall::Reset(user) => {
                let user = number(*user);
                assert_eq!(self.fleet.reset(user).is_ok(), user < CAPACITY);
                self.users.get_mut(user as usize).into_iter().for_each(Vec::clear);
            }
        }
    }

    fn indices(&self, items: &[Item]) -> Vec<u32> {
        indices(self.fleet.model().catalog().len(), items)
    }

    fn append(&mut self, events: &[(u8, Item)], catalogues: &Catalogues) {
        let users: Vec<_> = events.iter().map(|(user, _)| number(*user)).collect();
        let items: Vec<_> = events.iter().map(|(_, item)| *item).collect();
        let items = self.indices(&items);
        if self.users.iter().any(|history| history.len() + events.len() > MAX_EVENTS) {
            return;
        }
        let model = self.fleet.model();
        let known = knows(model.catalog().len(), &items);
        let events = catalogues.now(model, &items);
        let valid = known && users.iter().all(|&user| user < CAPACITY);
        let outcome = self.fleet.append(&users, &items);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        for (user, event) in users.into_iter().zip(events).filter(|_| valid) {
            self.users[user as usize].push(event);
        }
    }

    fn top_k(&self, users: &[u8], wish: &Wish, catalogues: &Catalogues) {
        let users: Vec<_> = users.iter().map(|&user| number(user)).collect();
        let has_events =
            |&user: &u32| self.users.get(user as usize).is_some_and(|events| !events.is_empty());
        wish.ask(self.fleet.model(), |query| {
            let outcome = self.fleet.top_k(&users, query.k, &query.filter);
            assert_eq!(outcome.is_ok(), query.known && users.iter().all(has_events), "{outcome:?}");
            for (user, found) in users.iter().zip(outcome.into_iter().flatten()) {
                assert_eq!(found, query.answer(&self.replayed(*user, catalogues)));
            }
        });
    }

    fn score(&self, user: u32, items: &[Item], catalogues: &Catalogues) {
        let items = self.indices(items);
        let outcome = self.fleet.score(user, &items);
        let expected = match user < CAPACITY {
            true => self.replayed(user, catalogues).score(&items).ok(),
            false => None,
        };
        assert_eq!(outcome.ok().map(|scores| bits(&scores)), expected.map(|scores| bits(&scores)));
    }

    /// The session may have items that were added to its model's catalogue but not to this one.
    pub(super) fn set(&mut self, user: u8, from: &User) {
        let user = number(user);
        let known = knows(self.fleet.model().catalog().len(), from.session().seen());
        let outcome = self.fleet.set(user, from.session());
        assert_eq!(outcome.is_ok(), known && user < CAPACITY, "{outcome:?}");
        if outcome.is_ok() {
            self.users[user as usize].clone_from(&from.events);
        }
    }

    /// A user of the fleet as a session; users past the capacity are mapped to the last.
    pub(super) fn user(&self, user: u8) -> User {
        let user = number(user).min(CAPACITY - 1);
        let session = self.fleet.session(user).expect("below the capacity");
        User::of(session, self.users[user as usize].clone())
    }

    fn replayed(&self, user: u32, catalogues: &Catalogues) -> Session {
        catalogues.replayed(self.fleet.model(), &self.users[user as usize], 0, 0)
    }

    pub(super) fn check(&self, catalogues: &Catalogues) {
        for user in 0..CAPACITY {
            let (session, replayed) = (self.fleet.session(user), self.replayed(user, catalogues));
            let session = session.expect("below the capacity");
            assert_eq!(session.snapshot(), replayed.snapshot());
            assert_eq!(all_scores(&session), all_scores(&replayed));
        }
    }
}
