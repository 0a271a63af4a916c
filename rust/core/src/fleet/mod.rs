//! The histories of many users on a model.

mod arena;
mod changes;
mod file;
mod logs;
mod queries;
mod queue;
mod record;
#[cfg(feature = "threads")]
mod sharing;
mod user_id;
mod users;
mod worker;
mod workers;

use std::fmt;
use std::sync::Arc;

use arena::Arena;
use changes::Changes;
pub use queries::FleetFilter;
use queue::PIECE;
use record::Record;
pub use user_id::{OwnedUserId, UserId};
use users::Users;
use workers::Workers;

use crate::error::Cause;
#[cfg(feature = "threads")]
use crate::threads;
use crate::{Event, Model, Result, Session};

/// The histories of many users on a model.
///
/// A fleet computes the same bits for its users as separate [`Session`]s, several times as fast:
/// [`Fleet::append`] and [`Fleet::top_k`] take many users at once, and read the weights and the
/// catalogue once per group of users.
///
/// Users are known by their ids, which are all integers or all strings. The first event adds a user
/// to the fleet. An unknown user has no history: no events and no seen items, and [`Fleet::top_k`]
/// ranks items for it only if the model has a start vector.
///
/// A user takes as much as a session's state, and 4 D bytes for the last hidden vector, together
/// rounded up to whole cache lines. The list of distinct items, the id and about 100 bytes come on
/// top. The fleet grows in chunks of 1 MiB or more, and never copies a state to grow. Where the
/// operating system allocates pages on first use, the unused part of a chunk takes almost none.
/// After the largest call, appending to users that the fleet has does not allocate, unless a
/// user's list of distinct items exceeds its capacity.
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let mut fleet = Fleet::new(model);
/// fleet.append(&["ann", "bob", "ann"], &[7, 7, 19])?; // ann has two events, bob has one
/// let best = fleet.top_k(&["ann", "bob"], 10, &Filter::unseen())?;
/// assert_eq!(best[0], fleet.session("ann")?.top_k(10, &Filter::unseen())?);
/// # Ok(())
/// # }
/// ```
pub struct Fleet {
    model: Arc<Model>,
    users: Users,
    /// By slot, as the states in the arena.
    records: Vec<Record>,
    /// Per user the state of all blocks, then the hidden vector of the last event.
    arena: Arena,
    log_capacity: usize,
    changes: Changes,
    interrupted_bytes: u64,
    /// The slots of the users of a call.
    slots: Vec<u32>,
    workers: Workers,
}

impl Fleet {
    /// Creates a fleet without users.
    pub fn new(model: Arc<Model>) -> Self {
        let config = model.config();
        let arena = Arena::new(config.state_len() + config.hidden_size);
        let workers = Workers::new(config, 1);
        let (users, changes) = (Users::default(), Changes::default());
        let (records, slots, log_capacity) = (Vec::new(), Vec::new(), 0);
        Self {
            model,
            users,
            records,
            arena,
            log_capacity,
            changes,
            interrupted_bytes: 0,
            slots,
            workers,
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The number of users.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The users, in order of arrival until one is removed.
    pub fn users(&self) -> impl Iterator<Item = UserId<'_>> {
        self.users.iter()
    }

    /// Whether the fleet has a user. An id of the other type belongs to no user.
    pub fn contains<'a>(&self, user: impl Into<UserId<'a>>) -> bool {
        matches!(self.users.slot(user.into()), Ok(Some(_)))
    }

    /// Allocates memory for the states of `additional` more users. Without it, the fleet grows as
    /// needed. If it cannot be allocated, returns an error, and the users are unchanged.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.grow(self.len().saturating_add(additional))
    }

    /// Lets up to `count` threads, at most 256, share the users of a call: of [`Fleet::append`], if
    /// it has more than 32 events, and of [`Fleet::top_k`] for more than 32 users. Results are the
    /// same, bit for bit. A shared call may allocate. Each thread has buffers of its own, for an
    /// event of 16 users. With 0 or 1, the default, calls run on the caller's thread only.
    ///
    /// The crate has its own rayon pool, one thread per CPU. A forked process starts another.
    #[cfg(feature = "threads")]
    pub fn set_threads(&mut self, count: usize) {
        self.workers = Workers::new(self.model.config(), count.min(threads::MOST));
    }

    /// How many threads share the users of a call.
    #[cfg(feature = "threads")]
    pub fn threads(&self) -> usize {
        self.workers.count()
    }

    /// Appends events: `events[i]` to `users[i]`, as [`Session::append`] takes them. A user may
    /// occur more than once, oldest event first; unknown users are added. Lists of different
    /// lengths, a user id of the other type, an event that [`Session::append`] would refuse and
    /// memory that is short are errors, and nothing changes.
    pub fn append<'a, U, E>(&mut self, users: &[U], events: &[E]) -> Result<()>
    where
        U: Copy + Into<UserId<'a>>,
        E: Copy + Into<Event>,
    {
        if users.len() != events.len() {
            return Err(Cause::FleetLengths { users: users.len(), items: events.len() }.into());
        }
        let model = Arc::clone(&self.model);
        let overlay = model.overlay();
        model.check_events(overlay.as_deref(), events.iter().map(|&event| event.into()))?;
        self.add(users.iter().map(|&user| user.into()))?;
        let number = self.changes.number();
        for (slots, events) in self.slots.chunks(PIECE).zip(events.chunks(PIECE)) {
            let piece = (slots, events);
            let (records, arena) = (&mut self.records, &mut self.arena);
            self.workers.append(&model, overlay.as_deref(), piece, records, arena);
            for (&slot, &event) in slots.iter().zip(events) {
                self.records[slot as usize].add(event.into(), number);
            }
        }
        Ok(())
    }

    /// Finds the slots of users, and adds those that are unknown. On an error, none is added.
    fn add<'a>(&mut self, users: impl ExactSizeIterator<Item = UserId<'a>>) -> Result<()> {
        let (before, undecided) = (self.len(), matches!(self.users, Users::None));
        self.slots.clear();
        if self.slots.try_reserve(users.len()).is_err() {
            return Err(Cause::FleetMemory { users: before }.into());
        }
        let mut added = Ok(());
        for user in users {
            match self.users.slot_or_add(user) {
                Ok(slot) => self.slots.push(slot),
                Err(error) => {
                    added = Err(error);
                    break;
                }
            }
        }
        let added = added.and_then(|()| self.grow(self.users.len()));
        match added {
            Ok(()) => {
                let new = || Record::new(self.log_capacity);
                self.records.resize_with(self.users.len(), new);
            }
            Err(_) if undecided => self.users = Users::None,
            Err(_) => self.users.truncate(before),
        }
        added
    }

    /// Makes room for the states and records of `users`.
    fn grow(&mut self, users: usize) -> Result<()> {
        let more = users - self.len();
        match self.records.try_reserve(more).ok().and_then(|()| self.arena.reserve(users)) {
            Some(()) => Ok(()),
            None => Err(Cause::FleetMemory { users }.into()),
        }
    }

    /// Removes a user and its history. Returns whether the fleet had it.
    pub fn remove<'a>(&mut self, user: impl Into<UserId<'a>>) -> Result<bool> {
        let Some(slot) = self.users.slot(user.into())? else { return Ok(false) };
        let last = self.len() - 1;
        if let Some(id) = self.users.owned_id(slot) {
            self.changes.remove(id);
        }
        self.users.swap_remove(slot);
        self.records.swap_remove(slot);
        self.arena.swap_remove(slot, last);
        Ok(true)
    }

    /// Copies a user's history to a session, with the log and without checkpoints.
    pub fn session<'a>(&self, user: impl Into<UserId<'a>>) -> Result<Session> {
        let mut session = Session::new(Arc::clone(&self.model));
        session.set_log_capacity(self.log_capacity);
        if let Some(slot) = self.users.slot(user.into())? {
            let record = &self.records[slot];
            session.events = record.events;
            session.last_time = record.last_time;
            session.state.copy_from_slice(self.arena.of(slot));
            session.seen.clone_from(&record.seen);
            session.log.clone_from(&record.log);
        }
        Ok(session)
    }

    /// Replaces a user's history by that of a session on the same model; without events, removes
    /// the user. If the fleet keeps logs, the user's is the session's, up to the capacity. If the
    /// session holds items added by an overlay, the fleet's model must have added the same.
    /// Otherwise, or for a session on another model, returns an error, and nothing changes.
    pub fn set<'a>(&mut self, user: impl Into<UserId<'a>>, session: &Session) -> Result<()> {
        let (found, expected) = (session.model(), &self.model);
        // The fingerprint is only stated by the file. Sizes depend on the config.
        if found.fingerprint() != expected.fingerprint() || found.config() != expected.config() {
            let (found, expected) = (found.fingerprint(), expected.fingerprint());
            return Err(Cause::OtherModel { what: "fleet", found, expected }.into());
        }
        let last = session.seen.last().copied();
        self.model.check_added(&found.added_up_to(last))?;
        let user = user.into();
        if session.events == 0 {
            return self.remove(user).map(drop);
        }
        self.add(std::iter::once(user))?;
        let slot = self.slots[0] as usize;
        self.arena.of_mut(slot).copy_from_slice(&session.state);
        let (mut log, changed) = (session.log.clone(), self.changes.number());
        log.set_capacity(self.log_capacity);
        let (events, last_time, seen) = (session.events, session.last_time, session.seen.clone());
        self.records[slot] = Record { events, last_time, seen, log, changed, queued: 0 };
        Ok(())
    }

    /// The bytes of all users' states, hidden vectors and lists of distinct items. Logs are not
    /// included (see [`Session::set_log_capacity`]).
    pub fn state_bytes(&self) -> usize {
        let lists: usize = self.records.iter().map(|user| size_of_val(&user.seen[..])).sum();
        self.len() * self.arena.user_bytes() + lists
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fleet = f.debug_struct("Fleet");
        fleet.field("users", &self.len()).field("arena", &self.arena).finish_non_exhaustive()
    }
}
