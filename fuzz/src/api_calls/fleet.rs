//! A fleet and the events of its users.

use std::sync::Arc;

use arbitrary::Arbitrary;
use recgrela::{Model, Session};

use super::catalogue::{Catalogues, Event};
use super::user::User;
use crate::checks::{all_scores, bits, text};
use crate::wish::{Item, Wish, indices, knows};

/// The users of the fleet, by number.
const USERS: [i64; 8] = [0, 1, -1, i64::MAX, i64::MIN, 7, 8, 9];

/// Maximum number of events per user.
const MAX_EVENTS: usize = 128;

/// A call on the fleet.
#[derive(Arbitrary, Debug)]
pub(super) enum FleetCall {
    Append(Vec<(u8, Item)>),
    /// Lists of different lengths.
    AppendUneven(u8, Vec<Item>),
    TopK(Vec<u8>, Wish),
    Score(u8, Vec<Item>),
    Remove(u8),
}

pub(super) struct Fleet {
    fleet: recgrela::Fleet,
    users: Vec<Vec<Event>>,
}

fn number(user: u8) -> usize {
    usize::from(user) % USERS.len()
}

impl Fleet {
    pub(super) fn new(model: &Arc<Model>) -> Self {
        let fleet = recgrela::Fleet::new(Arc::clone(model));
        Self { fleet, users: vec![vec![]; USERS.len()] }
    }

    pub(super) fn make(&mut self, call: &FleetCall, catalogues: &Catalogues) {
        match call {
            FleetCall::Append(events) => self.append(events, catalogues),
            FleetCall::AppendUneven(count, items) => {
                let users = vec![0_i64; usize::from(*count)];
                let items = self.indices(items);
                if users.len() != items.len() {
                    text(&self.fleet.append(&users, &items).expect_err("other lengths"));
                }
            }
            FleetCall::TopK(users, wish) => self.top_k(users, wish, catalogues),
            FleetCall::Score(user, items) => self.score(number(*user), items, catalogues),
            FleetCall::Remove(user) => {
                let user = number(*user);
                let removed = self.fleet.remove(USERS[user]).expect("an integer");
                assert_eq!(removed, !self.users[user].is_empty());
                self.users[user].clear();
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
        let ids: Vec<_> = users.iter().map(|&user| USERS[user]).collect();
        let outcome = self.fleet.append(&ids, &items);
        assert_eq!(outcome.is_ok(), known, "{outcome:?}");
        for (user, event) in users.into_iter().zip(events).filter(|_| known) {
            self.users[user].push(event);
        }
    }

    fn top_k(&self, users: &[u8], wish: &Wish, catalogues: &Catalogues) {
        let users: Vec<_> = users.iter().map(|&user| number(user)).collect();
        let ids: Vec<_> = users.iter().map(|&user| USERS[user]).collect();
        let has_events = |&user: &usize| !self.users[user].is_empty();
        wish.ask(self.fleet.model(), |query| {
            let outcome = self.fleet.top_k(&ids, query.k, &query.filter);
            assert_eq!(outcome.is_ok(), query.known && users.iter().all(has_events), "{outcome:?}");
            for (user, found) in users.iter().zip(outcome.into_iter().flatten()) {
                assert_eq!(found, query.answer(&self.replayed(*user, catalogues)));
            }
        });
    }

    fn score(&self, user: usize, items: &[Item], catalogues: &Catalogues) {
        let items = self.indices(items);
        let outcome = self.fleet.score(USERS[user], &items);
        let expected = self.replayed(user, catalogues).score(&items).ok();
        assert_eq!(outcome.ok().map(|scores| bits(&scores)), expected.map(|scores| bits(&scores)));
    }

    /// The session may have items that were added to its model's catalogue but not to this one.
    pub(super) fn set(&mut self, user: u8, from: &User) {
        let user = number(user);
        let known = knows(self.fleet.model().catalog().len(), from.session().seen());
        let outcome = self.fleet.set(USERS[user], from.session());
        assert_eq!(outcome.is_ok(), known, "{outcome:?}");
        if outcome.is_ok() {
            self.users[user].clone_from(&from.events);
        }
    }

    /// A user of the fleet as a session.
    pub(super) fn user(&self, user: u8) -> User {
        let user = number(user);
        let session = self.fleet.session(USERS[user]).expect("an integer");
        User::of(session, self.users[user].clone())
    }

    fn replayed(&self, user: usize, catalogues: &Catalogues) -> Session {
        catalogues.replayed(self.fleet.model(), &self.users[user], 0, 0)
    }

    pub(super) fn check(&self, catalogues: &Catalogues) {
        let present = self.users.iter().filter(|events| !events.is_empty());
        assert_eq!(self.fleet.len(), present.count());
        for (user, &id) in USERS.iter().enumerate() {
            let (session, replayed) = (self.fleet.session(id), self.replayed(user, catalogues));
            let session = session.expect("an integer");
            assert_eq!(session.snapshot(), replayed.snapshot());
            assert_eq!(all_scores(&session), all_scores(&replayed));
        }
    }
}
