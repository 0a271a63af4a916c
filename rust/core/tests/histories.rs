//! Random sequences of operations: after each, the session is bit-identical to a replay of the
//! remaining events.

mod common;

use std::sync::Arc;

use common::{Rng, SHAPES, assert_says, models};
use recgrela::{ErrorKind, Filter, Model, Session};

const UNDO_DEPTH: usize = 6;
const LOG_CAPACITY: usize = 25;

fn empty(model: &Arc<Model>) -> Session {
    let mut session = Session::new(model.clone());
    session.set_undo_depth(UNDO_DEPTH).unwrap();
    session.set_log_capacity(LOG_CAPACITY);
    session
}

/// The naive model: a list, replayed from scratch.
#[derive(Default)]
struct History {
    events: Vec<u32>,
    undoable: usize,
}

impl History {
    fn replayed(&self, model: &Arc<Model>) -> Session {
        let mut session = empty(model);
        session.extend(&self.events).unwrap();
        session
    }

    fn extend(&mut self, items: &[u32]) {
        self.events.extend(items);
        self.undoable = UNDO_DEPTH.min(self.undoable + items.len());
    }

    /// Applies a random operation to both. Stored snapshots are of earlier histories.
    fn step(
        &mut self,
        session: &mut Session,
        rng: &mut Rng,
        stored: &mut Vec<(Vec<u8>, Vec<u32>)>,
    ) {
        let num_items = session.model().num_items();
        match rng.below(12) {
            0..4 => {
                let count = rng.below(5);
                let items = rng.items(count, num_items);
                session.extend(&items).unwrap();
                self.extend(&items);
            }
            4..6 => {
                let n = rng.below(UNDO_DEPTH + 2);
                match session.undo(n) {
                    Ok(()) => {
                        self.undoable -= n;
                        self.events.truncate(self.events.len() - n);
                    }
                    Err(error) => {
                        assert!(n > self.undoable);
                        assert_says(&error, ErrorKind::Undo, "undoable events");
                    }
                }
            }
            6 => self.forget(session, rng),
            7 | 8 => {
                let count = rng.below(4);
                let items = rng.items(count, num_items);
                let filter = Filter::default().exclude_seen(rng.below(2) == 0);
                let peeked = session.peek(&items, 5, &filter).ok();
                let mut later = self.replayed(session.model());
                later.extend(&items).unwrap();
                assert_eq!(peeked, later.top_k(5, &filter).ok());
            }
            9 => stored.push((session.snapshot(), self.events.clone())),
            10 if !stored.is_empty() => {
                let (snapshot, events) = &stored[rng.below(stored.len())];
                session.restore(snapshot).unwrap();
                *self = Self { events: events.clone(), undoable: 0 };
            }
            10 => {
                session.reset();
                *self = Self::default();
            }
            _ => *session = session.clone(),
        }
    }

    fn forget(&mut self, session: &mut Session, rng: &mut Rng) {
        let Some(&item) = self.events.get(rng.below(self.events.len() + 1)) else { return };
        match session.forget(&[item]) {
            Ok(()) => {
                self.events.retain(|&event| event != item);
                self.undoable = UNDO_DEPTH.min(self.events.len());
            }
            Err(error) => {
                assert!(self.events.len() > LOG_CAPACITY);
                assert_says(
                    &error,
                    ErrorKind::Log,
                    &format!("a log of the last {LOG_CAPACITY} events"),
                );
            }
        }
    }
}

#[test]
fn any_operations_leave_what_a_replay_leaves() {
    for shape in &SHAPES {
        for model in models(shape) {
            for seed in 0..2 {
                let (mut rng, mut stored) = (Rng::new(seed), vec![]);
                let (mut session, mut history) = (empty(&model), History::default());
                for step in 0..60 {
                    history.step(&mut session, &mut rng, &mut stored);
                    let expected = history.replayed(&model);
                    let what = || format!("{shape:?}, seed {seed}, step {step}");
                    assert_eq!(session.snapshot(), expected.snapshot(), "{}", what());
                    assert_eq!(session.undoable(), history.undoable, "{}", what());
                    assert_eq!(session.seen(), expected.seen());
                }
            }
        }
    }
}
