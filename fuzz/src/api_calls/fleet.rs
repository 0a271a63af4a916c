//! A fleet and the events of its users.

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, process};

use arbitrary::Arbitrary;
use recgrela::{FleetFilter, Model, Session};

use super::catalogue::{Catalogues, Event};
use super::user::User;
use crate::checks::{all_scores, bits, text};
use crate::models;
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
    TopK {
        users: Vec<u8>,
        /// Further items to exclude, one list per user if there are as many.
        deny_each: Option<Vec<Vec<Item>>>,
        skip_without_history: bool,
        wish: Wish,
    },
    Score(u8, Vec<Item>),
    Remove(u8),
    KeepLog(u8),
    Forget(u8, Vec<Item>),
    /// To the same model.
    Migrate,
    Save,
    SaveChanges,
    /// Goes on with the fleet that was saved last.
    Open,
}

/// The events of a user, and how many of them are in the log.
#[derive(Clone, Default)]
struct History {
    events: Vec<Event>,
    log: usize,
}

/// The histories of all users, and the capacity of their logs.
#[derive(Clone)]
struct Content {
    users: Vec<History>,
    capacity: usize,
}

pub(super) struct Fleet {
    fleet: recgrela::Fleet,
    now: Content,
    path: PathBuf,
    /// The content of the file, if the fleet knows it.
    saved: Option<Content>,
}

fn number(user: u8) -> usize {
    usize::from(user) % USERS.len()
}

impl Fleet {
    pub(super) fn new(model: &Arc<Model>) -> Self {
        let fleet = recgrela::Fleet::new(Arc::clone(model));
        let path = env::temp_dir().join(format!("recgrela-fuzz-calls-{}.fleet", process::id()));
        let now = Content { users: vec![History::default(); USERS.len()], capacity: 0 };
        Self { fleet, now, path, saved: None }
    }

    pub(super) fn make(&mut self, call: &FleetCall, catalogues: &Catalogues) {
        match call {
            FleetCall::Append(events) => self.append(events, catalogues),
            FleetCall::AppendUneven(count, items) => {
                let users = vec![0_i64; usize::from(*count)];
                let items = self.indices(items);
                if users.len() != items.len() {
                    let events = models::events(self.fleet.model(), &items);
                    text(&self.fleet.append(&users, &events).expect_err("other lengths"));
                }
            }
            FleetCall::TopK { users, deny_each, skip_without_history, wish } => {
                let lists = deny_each.as_ref().map(|lists| {
                    let lists = lists.iter().map(|items| self.indices(items));
                    lists.collect::<Vec<_>>()
                });
                self.top_k(users, lists.as_deref(), *skip_without_history, wish, catalogues);
            }
            FleetCall::Score(user, items) => self.score(number(*user), items, catalogues),
            FleetCall::Remove(user) => {
                let user = number(*user);
                let removed = self.fleet.remove(USERS[user]).expect("an integer");
                assert_eq!(removed, !self.now.users[user].events.is_empty());
                self.now.users[user] = History::default();
            }
            FleetCall::KeepLog(capacity) => {
                self.now.capacity = usize::from(*capacity);
                self.fleet.set_log_capacity(self.now.capacity);
                for user in &mut self.now.users {
                    user.log = user.log.min(self.now.capacity);
                }
            }
            FleetCall::Forget(user, items) => self.forget(number(*user), items, catalogues),
            FleetCall::Migrate => self.migrate(catalogues),
            FleetCall::Save => {
                self.fleet.save(&self.path).expect("a folder for temporary files");
                self.saved = Some(self.now.clone());
            }
            FleetCall::SaveChanges => {
                let outcome = self.fleet.save_changes(&self.path);
                assert_eq!(outcome.is_ok(), self.saved.is_some(), "{outcome:?}");
                if outcome.is_ok() {
                    self.saved = Some(self.now.clone());
                }
            }
            FleetCall::Open => self.open(),
        }
    }

    /// The other events are replayed under the current catalogue.
    fn forget(&mut self, user: usize, items: &[Item], catalogues: &Catalogues) {
        let items = self.indices(items);
        let (model, capacity) = (self.fleet.model(), self.now.capacity);
        let history = &mut self.now.users[user];
        let complete = capacity > 0 && history.log == history.events.len();
        let valid = complete && knows(model.catalog().len(), &items);
        let kept = history.events.iter().map(|event| event.item);
        let kept: Vec<_> = kept.filter(|item| !items.contains(item)).collect();
        let kept = catalogues.now(model, &kept);
        let outcome = self.fleet.forget(USERS[user], &items);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        if valid {
            *history = History { log: kept.len(), events: kept };
        }
    }

    fn migrate(&mut self, catalogues: &Catalogues) {
        let model = Arc::clone(self.fleet.model());
        let outcome = self.fleet.migrate(Arc::clone(&model));
        let complete = self.now.users.iter().all(|user| user.log == user.events.len());
        assert_eq!(outcome.is_ok(), complete, "{outcome:?}");
        if let Ok(fleet) = outcome {
            for user in &mut self.now.users {
                let items: Vec<_> = user.events.iter().map(|event| event.item).collect();
                user.events = catalogues.now(&model, &items);
            }
            (self.fleet, self.saved) = (fleet, None);
        }
    }

    fn open(&mut self) {
        if let Some(saved) = &self.saved {
            let model = Arc::clone(self.fleet.model());
            self.fleet = recgrela::Fleet::open(&self.path, model).expect("a file that was saved");
            self.now = saved.clone();
        }
    }

    fn indices(&self, items: &[Item]) -> Vec<u32> {
        indices(self.fleet.model().catalog().len(), items)
    }

    fn append(&mut self, events: &[(u8, Item)], catalogues: &Catalogues) {
        let users: Vec<_> = events.iter().map(|(user, _)| number(*user)).collect();
        let items: Vec<_> = events.iter().map(|(_, item)| *item).collect();
        let items = self.indices(&items);
        if self.now.users.iter().any(|user| user.events.len() + events.len() > MAX_EVENTS) {
            return;
        }
        let model = Arc::clone(self.fleet.model());
        let known = knows(model.catalog().len(), &items);
        let events = catalogues.now(&model, &items);
        let ids: Vec<_> = users.iter().map(|&user| USERS[user]).collect();
        let outcome = self.fleet.append(&ids, &models::events(&model, &items));
        assert_eq!(outcome.is_ok(), known, "{outcome:?}");
        for (user, event) in users.into_iter().zip(events).filter(|_| known) {
            let history = &mut self.now.users[user];
            history.events.push(event);
            history.log = self.now.capacity.min(history.log + 1);
        }
    }

    fn top_k(
        &self,
        users: &[u8],
        deny_each: Option<&[Vec<u32>]>,
        skip: bool,
        wish: &Wish,
        catalogues: &Catalogues,
    ) {
        let users: Vec<_> = users.iter().map(|&user| number(user)).collect();
        let ids: Vec<_> = users.iter().map(|&user| USERS[user]).collect();
        let model = self.fleet.model();
        let has_events = |&user: &usize| !self.now.users[user].events.is_empty();
        let fits = |lists: &[Vec<u32>]| {
            lists.len() == users.len() && knows(model.catalog().len(), &lists.concat())
        };
        let start = model.config().start;
        let valid = deny_each.is_none_or(fits) && (skip || start || users.iter().all(has_events));
        wish.ask(model, |query| {
            let mut filter = FleetFilter::from(&query.filter).skip_without_history(skip);
            filter.deny_each = deny_each;
            let outcome = self.fleet.top_k(&ids, query.k, filter);
            assert_eq!(outcome.is_ok(), query.known && valid, "{outcome:?}");
            for (index, found) in outcome.into_iter().flatten().enumerate() {
                let denied = deny_each.map_or(&[][..], |lists| &lists[index][..]);
                let expected = match has_events(&users[index]) || (start && !skip) {
                    true => query.answer_without(denied, &self.replayed(users[index], catalogues)),
                    false => vec![],
                };
                assert_eq!(found, expected);
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
            let log = from.session().log().len().min(self.now.capacity);
            self.now.users[user] = History { events: from.events.clone(), log };
        }
    }

    /// A user of the fleet as a session.
    pub(super) fn user(&self, user: u8) -> User {
        let user = number(user);
        let session = self.fleet.session(USERS[user]).expect("an integer");
        let History { events, log } = self.now.users[user].clone();
        User::of(session, events, log, self.now.capacity)
    }

    fn replayed(&self, user: usize, catalogues: &Catalogues) -> Session {
        let History { events, log } = &self.now.users[user];
        catalogues.replayed(self.fleet.model(), events, *log, self.now.capacity)
    }

    pub(super) fn check(&self, catalogues: &Catalogues) {
        let present = self.now.users.iter().filter(|user| !user.events.is_empty());
        assert_eq!(self.fleet.len(), present.count());
        for (user, &id) in USERS.iter().enumerate() {
            let (session, replayed) = (self.fleet.session(id), self.replayed(user, catalogues));
            let session = session.expect("an integer");
            assert_eq!(session.snapshot(), replayed.snapshot());
            assert_eq!(all_scores(&session), all_scores(&replayed));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Most inputs save nothing.
        let _ = fs::remove_file(&self.path);
    }
}
