//! Sequences of calls against the plainest model of a session: the list of its events.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Error, Filter, Model, Session, TopK};

use crate::checks::{all_scores, assert_ranked, text};
use crate::models;

/// Calls that one input makes at most.
const MAX_CALLS: usize = 64;

/// Events that a session takes in at most; the model replays them all, again and again.
const MAX_EVENTS: usize = 256;

#[derive(Arbitrary, Debug)]
struct Plan {
    model: u8,
    calls: Vec<(u8, Call)>,
}

/// An item: mostly one of the model's, else any number.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Item {
    Of(u8),
    SameAgain,
    Any(u32),
}

/// A call; what goes with each says which session of the [`World`] it is made on.
#[derive(Arbitrary, Debug)]
enum Call {
    Append(Item),
    Extend(Vec<Item>),
    Score(Vec<Item>),
    ScoreInto { items: Vec<Item>, length: u8 },
    TopK { k: u16, exclude_seen: bool, allow: Option<Vec<Item>>, deny: Vec<Item> },
    UserVector,
    ReserveSeen(u16),
    Store,
    Restore,
    RestoreDamaged { at: u16, bit: u8 },
    Reset,
    CloneTo(u8),
}

/// Whatever was called, every session is the one that a replay of its events gives, to the bit, and a
/// call that fails changes nothing.
pub fn api_calls(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut world = World::new(models::models(plan.model));
    for (which, call) in plan.calls.iter().take(MAX_CALLS) {
        world.make(usize::from(*which), call);
    }
    for user in &world.users {
        user.check(&world.models[0]);
    }
}

/// A session and its events.
#[derive(Clone)]
struct User {
    session: Session,
    events: Vec<u32>,
}

/// One user for each instruction set; what one stores, another may restore.
struct World {
    models: &'static [Arc<Model>],
    users: Vec<User>,
    stored: (Vec<u8>, Vec<u32>),
    ranking: TopK,
}

impl World {
    fn new(models: &'static [Arc<Model>]) -> Self {
        let user =
            |model: &Arc<Model>| User { session: Session::new(model.clone()), events: vec![] };
        let users: Vec<_> = models.iter().map(user).collect();
        let stored = (users[0].session.snapshot(), vec![]);
        Self { models, users, stored, ranking: TopK::new() }
    }

    fn make(&mut self, which: usize, call: &Call) {
        let which = which % self.users.len();
        let user = &mut self.users[which];
        match call {
            Call::Append(item) => user.extend(&[*item], true),
            Call::Extend(items) => user.extend(items, false),
            Call::Score(items) => user.score(items, items.len()),
            Call::ScoreInto { items, length } => user.score(items, usize::from(*length)),
            Call::TopK { k, exclude_seen, allow, deny } => {
                let allow = allow.as_ref().map(|items| user.items(items));
                let deny = user.items(deny);
                let filter =
                    Filter { exclude_seen: *exclude_seen, allow: allow.as_deref(), deny: &deny };
                user.top_k(usize::from(*k), &filter, &mut self.ranking);
            }
            Call::UserVector => match user.session.user_vector() {
                Ok(vector) => assert_eq!(vector.len(), user.session.model().config().hidden_size),
                Err(error) => assert!(user.events.is_empty(), "{error}"),
            },
            Call::ReserveSeen(additional) => user.session.reserve_seen(usize::from(*additional)),
            Call::Store => self.stored = (user.session.snapshot(), user.events.clone()),
            Call::Restore => {
                user.session.restore(&self.stored.0).expect("a snapshot of this model");
                user.events.clone_from(&self.stored.1);
            }
            Call::RestoreDamaged { at, bit } => user.restore_damaged(&self.stored.0, *at, *bit),
            Call::Reset => {
                user.session.reset();
                user.events.clear();
            }
            Call::CloneTo(other) => {
                let clone = user.clone();
                let other = usize::from(*other) % self.users.len();
                self.users[other] = clone;
            }
        }
    }
}

impl User {
    fn items(&self, items: &[Item]) -> Vec<u32> {
        let count = self.session.model().num_items() as u32;
        let item = |item: &Item| match *item {
            Item::Of(item) => u32::from(item) % count,
            Item::SameAgain => self.events.last().copied().unwrap_or(0),
            Item::Any(item) => item,
        };
        items.iter().map(item).collect()
    }

    /// Whether the model has all of these.
    fn knows(&self, items: &[u32]) -> bool {
        items.iter().all(|&item| (item as usize) < self.session.model().num_items())
    }

    fn extend(&mut self, items: &[Item], one: bool) {
        let items = self.items(items);
        if self.events.len() + items.len() > MAX_EVENTS {
            return;
        }
        let outcome = if one { self.session.append(items[0]) } else { self.session.extend(&items) };
        match outcome {
            Ok(()) => {
                assert!(self.knows(&items));
                self.events.extend(items);
            }
            Err(error) => {
                assert!(!self.knows(&items), "{}", text(&error));
                self.check(self.session.model());
            }
        }
    }

    fn score(&self, items: &[Item], length: usize) {
        let items = self.items(items);
        let valid = self.knows(&items) && !self.events.is_empty() && length == items.len();
        let mut scores = vec![0.0; length];
        let outcome = self.session.score_into(&items, &mut scores);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        let all = all_scores(&self.session);
        for (item, score) in items.into_iter().zip(scores).filter(|_| valid) {
            assert_eq!(crate::checks::bits(&[score])[0], all[item as usize]);
        }
    }

    fn top_k(&self, k: usize, filter: &Filter<'_>, ranking: &mut TopK) {
        let lists = [filter.allow.unwrap_or_default(), filter.deny].concat();
        let before = ranking.clone();
        match self.session.top_k_into(k, filter, ranking) {
            Ok(()) => {
                assert!(self.knows(&lists) && !self.events.is_empty());
                assert_ranked(&self.session, k, filter);
                let fresh = self.session.top_k(k, filter).expect("it worked a line ago");
                assert_eq!(ranking.items(), fresh);
            }
            Err(Error::NoEvents) => assert!(self.events.is_empty()),
            Err(error) => {
                assert!(!self.knows(&lists), "{}", text(&error));
                assert_eq!(ranking.items(), before.items());
            }
        }
    }

    fn restore_damaged(&mut self, stored: &[u8], at: u16, bit: u8) {
        let mut blob = stored.to_vec();
        let at = usize::from(at) % blob.len();
        blob[at] ^= 1 << (bit % 8);
        let error = self.session.restore(&blob).expect_err("one bit is wrong");
        assert!(!text(&error).is_empty());
        self.check(self.session.model());
    }

    /// Compares the session with a replay of its events.
    fn check(&self, model: &Arc<Model>) {
        let mut replayed = Session::new(Arc::clone(model));
        replayed.extend(&self.events).expect("events that were taken in before");
        assert_eq!(self.session.events(), self.events.len() as u64);
        assert_eq!(self.session.seen(), replayed.seen());
        assert_eq!(self.session.snapshot(), replayed.snapshot());
        assert_eq!(all_scores(&self.session), all_scores(&replayed));
    }
}
