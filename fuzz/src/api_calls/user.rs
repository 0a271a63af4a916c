//! A session and its expected contents, tracked without the engine.

use std::sync::Arc;

use arbitrary::Arbitrary;
use recgrela::{ErrorKind, Model, Precision, Session, TopK};

use super::catalogue::{Catalogues, Event};
use crate::checks::{all_scores, answers, assert_ranked, bits, logged, text};
use crate::models;
use crate::wish::{Item, Wish, indices, knows};

/// Maximum number of events per session; a check replays them all.
const MAX_EVENTS: usize = 256;

/// A call on a session.
#[derive(Arbitrary, Debug)]
pub(super) enum Call {
    Append(Item),
    Extend(Vec<Item>),
    Score { items: Vec<Item>, length: Option<u8> },
    TopK(Wish),
    Peek { items: Vec<Item>, wish: Wish },
    UserVector,
    ReserveSeen(u16),
    KeepUndo(u8),
    Undo(u8),
    KeepLog(u16),
    Forget(Vec<Item>),
    Migrate { without: Item },
    StoreHalf,
    RestoreDamaged { offset: u16, bit: u8 },
    Reset,
}

/// A snapshot and its expected contents.
pub(super) struct Stored {
    blob: Vec<u8>,
    events: Vec<Event>,
    log: usize,
    capacity: usize,
}

/// A session and its events.
#[derive(Clone)]
pub(super) struct User {
    session: Session,
    pub(super) events: Vec<Event>,
    /// Number of events in the log, and its capacity.
    log: usize,
    capacity: usize,
    /// Events and log length before each event that can be undone.
    undo: Vec<(Vec<Event>, usize)>,
    depth: usize,
}

impl User {
    pub(super) fn new(model: &Arc<Model>) -> Self {
        Self::of(Session::new(Arc::clone(model)), vec![], 0, 0)
    }

    /// A session without checkpoints, with a log of the last `log` events.
    pub(super) fn of(session: Session, events: Vec<Event>, log: usize, capacity: usize) -> Self {
        Self { session, events, log, capacity, undo: vec![], depth: 0 }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn make(&mut self, call: &Call, ranking: &mut TopK, catalogues: &Catalogues) {
        let model = Arc::clone(self.session.model());
        let of = |items: &[Item]| indices(model.catalog().len(), items);
        match call {
            Call::Append(item) => {
                self.extend(&of(&[*item]), catalogues, |session, events| session.append(events[0]));
            }
            Call::Extend(items) => {
                self.extend(&of(items), catalogues, |session, events| session.extend(events));
            }
            Call::Score { items, length } => {
                self.score(&of(items), length.map_or(items.len(), usize::from));
            }
            Call::TopK(wish) => self.top_k(wish, ranking),
            Call::Peek { items, wish } => self.peek(&of(items), wish, catalogues),
            Call::UserVector => match self.session.user_vector() {
                Ok(vector) => assert_eq!(vector.len(), model.config().hidden_size),
                Err(error) => assert!(!answers(&self.session), "{error}"),
            },
            Call::ReserveSeen(additional) => self.session.reserve_seen(usize::from(*additional)),
            Call::KeepUndo(depth) => {
                self.session.set_undo_depth(usize::from(*depth)).expect("a small ring");
                (self.undo, self.depth) = (vec![], usize::from(*depth));
            }
            Call::Undo(n) => self.undo(usize::from(*n), catalogues),
            Call::KeepLog(capacity) => {
                self.session.set_log_capacity(usize::from(*capacity));
                self.capacity = usize::from(*capacity);
                self.log = self.log.min(self.capacity);
                self.undo.clear();
            }
            Call::Forget(items) => self.forget(&of(items), catalogues),
            Call::Migrate { without } => self.migrate(of(&[*without])[0], catalogues),
            Call::StoreHalf => self.store_half(),
            Call::RestoreDamaged { offset, bit } => self.restore_damaged(*offset, *bit, catalogues),
            Call::Reset => {
                self.session.reset();
                (self.events, self.log, self.undo) = (vec![], 0, vec![]);
            }
        }
    }

    fn extend(
        &mut self,
        items: &[u32],
        catalogues: &Catalogues,
        call: impl FnOnce(&mut Session, &[recgrela::Event]) -> recgrela::Result<()>,
    ) {
        if self.events.len() + items.len() > MAX_EVENTS {
            return;
        }
        let known = self.knows(items);
        let events = models::events(self.session.model(), items);
        match call(&mut self.session, &events) {
            Ok(()) => {
                assert!(known);
                self.push(catalogues.now(self.session.model(), items));
            }
            Err(error) => {
                assert!(!known, "{}", text(&error));
                self.check(catalogues);
            }
        }
    }

    fn knows(&self, items: &[u32]) -> bool {
        knows(self.session.model().catalog().len(), items)
    }

    /// Records events.
    fn push(&mut self, events: Vec<Event>) {
        for event in events {
            self.undo.push((self.events.clone(), self.log));
            let excess = self.undo.len().saturating_sub(self.depth);
            self.undo.drain(..excess);
            self.events.push(event);
            self.log = self.capacity.min(self.log + 1);
        }
    }

    fn score(&self, items: &[u32], length: usize) {
        let known = self.knows(items);
        let valid = known && answers(&self.session) && length == items.len();
        let mut scores = vec![0.0; length];
        let outcome = self.session.score_into(items, &mut scores);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        let all = all_scores(&self.session);
        for (&item, score) in items.iter().zip(scores).filter(|_| valid) {
            assert_eq!(bits(&[score])[0], all[item as usize]);
        }
    }

    fn top_k(&self, wish: &Wish, ranking: &mut TopK) {
        wish.ask(self.session.model(), |query| {
            let before = ranking.items().to_vec();
            let outcome = self.session.top_k_into(query.k, &query.filter, ranking);
            assert_eq!(outcome.is_ok(), query.known && answers(&self.session), "{outcome:?}");
            let expected = if outcome.is_ok() { query.answer(&self.session) } else { before };
            assert_eq!(ranking.items(), expected);
        });
    }

    fn peek(&self, items: &[u32], wish: &Wish, catalogues: &Catalogues) {
        let mut later = self.session.clone();
        let events = models::events(self.session.model(), items);
        let extended = later.extend(&events).is_ok();
        wish.ask(self.session.model(), |query| {
            match self.session.peek(&events, query.k, &query.filter) {
                Ok(found) => {
                    assert!(extended && query.known);
                    assert_eq!(found, query.answer(&later));
                }
                Err(error) => {
                    assert!(!extended || !query.known || !answers(&later), "{}", text(&error));
                }
            }
        });
        self.check(catalogues);
    }

    fn undo(&mut self, n: usize, catalogues: &Catalogues) {
        assert_eq!(self.session.undoable(), self.undo.len());
        match self.session.undo(n) {
            Ok(()) => {
                let left = self.undo.len().checked_sub(n).expect("as many as can be undone");
                if let Some((events, log)) = self.undo.drain(left..).next() {
                    (self.events, self.log) = (events, log);
                }
            }
            Err(error) => assert!(n > self.undo.len(), "{}", text(&error)),
        }
        self.check(catalogues);
    }

    /// The other events are replayed under the current catalogue.
    fn forget(&mut self, items: &[u32], catalogues: &Catalogues) {
        let complete = self.capacity > 0 && self.log == self.events.len();
        let valid = complete && self.knows(items);
        let outcome = self.session.forget(items);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        if valid {
            let kept = self.events.iter().map(|event| event.item);
            let kept: Vec<_> = kept.filter(|item| !items.contains(item)).collect();
            (self.events, self.log, self.undo) = (vec![], 0, vec![]);
            self.push(catalogues.now(self.session.model(), &kept));
        }
        self.check(catalogues);
    }

    /// Migrates to the same model as if one of the items were unknown.
    fn migrate(&self, without: u32, catalogues: &Catalogues) {
        let translated = |event: &Event| (event.item != without).then_some(event.item);
        let log: Vec<_> = self.events.iter().map(translated).collect();
        let model = Arc::clone(self.session.model());
        let events: Vec<_> =
            log.iter().map(|item| item.map(|item| models::event(&model, item))).collect();
        let migrated = Session::migrate(model, &self.session.snapshot(), &events);
        let migrated = migrated.expect("its events");
        let kept: Vec<_> = log.into_iter().flatten().collect();
        let events = catalogues.now(self.session.model(), &kept);
        let log = kept.len().min(self.capacity);
        Self { session: migrated, events, log, undo: vec![], depth: 0, ..*self }.check(catalogues);
    }

    /// In half precision everything except the state is exact, including the hidden vector.
    fn store_half(&self) {
        let mut other = Session::new(Arc::clone(self.session.model()));
        let blob = self.session.snapshot_with(Precision::F16);
        assert!(blob.len() <= self.session.snapshot().len());
        other.restore(&blob).expect("its own snapshot");
        assert_eq!(all_scores(&other), all_scores(&self.session));
        assert_eq!((other.events(), other.seen()), (self.session.events(), self.session.seen()));
        assert_eq!(logged(&other), logged(&self.session));
    }

    pub(super) fn store(&self) -> Stored {
        let (events, log, capacity) = (self.events.clone(), self.log, self.capacity);
        Stored { blob: self.session.snapshot(), events, log, capacity }
    }

    /// Its items may have been added to another model's catalogue but not to this one.
    pub(super) fn restore(&mut self, stored: &Stored, catalogues: &Catalogues) {
        let items: Vec<_> = stored.events.iter().map(|event| event.item).collect();
        let known = self.knows(&items);
        if let Err(error) = self.session.restore(&stored.blob) {
            assert!(!known && error.kind() == ErrorKind::Overlay, "{error}");
            return self.check(catalogues);
        }
        assert!(known);
        self.events.clone_from(&stored.events);
        if self.capacity == 0 {
            self.capacity = stored.capacity;
        }
        self.log = stored.log.min(self.capacity);
        self.undo.clear();
    }

    fn restore_damaged(&mut self, offset: u16, bit: u8, catalogues: &Catalogues) {
        let mut blob = self.session.snapshot();
        let offset = usize::from(offset) % blob.len();
        blob[offset] ^= 1 << (bit % 8);
        let error = self.session.restore(&blob).expect_err("one bit is wrong");
        assert!(error.kind() != ErrorKind::NoEvents, "{}", text(&error));
        self.check(catalogues);
    }

    /// Compares the session with a replay of its events.
    pub(super) fn check(&self, catalogues: &Catalogues) {
        let model = self.session.model();
        let replayed = catalogues.replayed(model, &self.events, self.log, self.capacity);
        assert_eq!(self.session.events(), self.events.len() as u64);
        let last = &self.events[self.events.len() - self.log..];
        let last = last.iter().map(|event| models::event(model, event.item));
        assert!(logged(&self.session).into_iter().eq(last));
        assert_eq!(self.session.undoable(), self.undo.len());
        assert_eq!(self.session.seen(), replayed.seen());
        assert_eq!(self.session.snapshot(), replayed.snapshot());
        assert_eq!(all_scores(&self.session), all_scores(&replayed));
        if answers(&self.session) {
            assert_ranked(&self.session, 3, &recgrela::Filter::unseen());
        }
    }
}
