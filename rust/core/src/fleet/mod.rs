//! The histories of many users on a model.

mod arena;
mod file;
mod queue;

use std::fmt;
use std::sync::Arc;

use arena::Arena;
use bytemuck::allocation::try_zeroed_vec;
use queue::{Queue, TILE};

use crate::catalog::{Query, Scores, User};
use crate::error::Cause;
use crate::network::{Scratch, Step};
use crate::{Filter, Model, Result, Scored, Session, TopK};

/// Bytes per user besides the state: an event count, a list, and a place in the queue.
const LISTS_BYTES: usize = size_of::<u64>() + size_of::<Vec<u32>>() + size_of::<usize>();

/// The histories of thousands of users on a model, in one block of memory.
///
/// A fleet computes the same bits for its users as separate [`Session`]s, several times as fast:
/// [`Fleet::append`] and [`Fleet::top_k`] take many users at once, and read the weights and the
/// catalogue once per group of users. Users are numbered from 0 to below the capacity.
///
/// A user takes as much as a session's state, and 4 D bytes for the last hidden vector, together
/// rounded up to whole cache lines. The list of distinct items and 40 bytes come on top. This is
/// 20,776 bytes and the list for D = 64, 4 heads and 4 blocks. The memory is reserved at the start;
/// where the operating system allocates pages on first use, users without events take almost none.
/// After the largest call, appending does not allocate, unless a user's list of distinct items
/// exceeds its capacity.
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let mut fleet = Fleet::new(model, 10_000)?;
/// fleet.append(&[17, 4, 17], &[7, 7, 19])?; // user 17 has two events, user 4 has one
/// let best = fleet.top_k(&[17, 4], 10, &Filter::unseen())?;
/// assert_eq!(best[0], fleet.session(17)?.top_k(10, &Filter::unseen())?);
/// # Ok(())
/// # }
/// ```
pub struct Fleet {
    model: Arc<Model>,
    /// Per user the state of all blocks, then the hidden vector of the last event.
    arena: Arena,
    events: Vec<u64>,
    /// Ascending.
    seen: Vec<Vec<u32>>,
    queue: Queue,
    scratch: Scratch,
}

impl Fleet {
    /// Creates a fleet of `capacity` users without history. Fails if memory is short.
    pub fn new(model: Arc<Model>, capacity: u32) -> Result<Self> {
        let config = model.config();
        let users = capacity as usize;
        let numbers = config.state_len() + config.hidden_size;
        let scratch = Scratch::new(config, TILE);
        let reserve = || {
            let (arena, events) = (Arena::new(users, numbers)?, try_zeroed_vec(users).ok()?);
            let (queue, mut seen) = (Queue::new(users)?, Vec::new());
            seen.try_reserve_exact(users).ok()?;
            seen.resize(users, Vec::new());
            Some((arena, events, queue, seen))
        };
        let per_user = size_of::<f32>() * numbers + LISTS_BYTES;
        let bytes = u128::from(capacity) * per_user as u128;
        let (arena, events, queue, seen) =
            reserve().ok_or(Cause::FleetMemory { capacity, bytes })?;
        Ok(Self { model, arena, events, seen, queue, scratch })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The maximum number of users.
    pub fn capacity(&self) -> u32 {
        self.events.len() as u32
    }

    /// Appends events: `items[i]` to `users[i]`. A user may occur more than once, oldest event
    /// first. Lists of different lengths, a user past the capacity and an invalid item index are
    /// errors, and nothing is appended.
    pub fn append(&mut self, users: &[u32], items: &[u32]) -> Result<()> {
        if users.len() != items.len() {
            return Err(Cause::FleetLengths { users: users.len(), items: items.len() }.into());
        }
        self.check_users(users)?;
        let overlay = self.model.overlay();
        let catalog = self.model.view(overlay.as_deref());
        catalog.check(items.iter().copied())?;
        self.queue.fill(users, items, &self.events, &self.arena);
        let model = &*self.model;
        let mut tiles = self.queue.tiles().peekable();
        while let Some(tile) = tiles.next() {
            model.backend.run(Step {
                network: &model.network,
                catalog,
                tile,
                next: tiles.peek().copied().unwrap_or_default(),
                states: self.arena.all_mut(),
                scratch: &mut self.scratch,
            });
        }
        for (&user, &item) in users.iter().zip(items) {
            let (events, seen) = (&mut self.events[user as usize], &mut self.seen[user as usize]);
            // Only a restored history can come near the limit.
            *events = events.saturating_add(1);
            if let Err(index) = seen.binary_search(&item) {
                seen.insert(index, item);
            }
        }
        Ok(())
    }

    /// [`Session::top_k`] for each user. The filter's lists apply to all users; seen items are per
    /// user. A user may occur more than once. Also fails for a user past the capacity.
    pub fn top_k(&self, users: &[u32], k: usize, filter: &Filter<'_>) -> Result<Vec<Vec<Scored>>> {
        let mut rankings = Vec::new();
        self.top_k_into(users, k, filter, &mut rankings)?;
        Ok(rankings.into_iter().map(TopK::into_items).collect())
    }

    /// [`Fleet::top_k`] into reusable rankings, resized to one per user. Unchanged on an error.
    pub fn top_k_into(
        &self,
        users: &[u32],
        k: usize,
        filter: &Filter<'_>,
        rankings: &mut Vec<TopK>,
    ) -> Result<()> {
        self.check_users(users)?;
        let overlay = self.model.overlay();
        let query = Query::new(&self.model, overlay.as_deref(), k, filter)?;
        let without = |&user: &u32| self.events[user as usize] == 0;
        let mut without: Vec<_> = users.iter().copied().filter(without).collect();
        if !without.is_empty() {
            without.sort_unstable();
            without.dedup();
            return Err(Cause::UsersWithoutEvents(without).into());
        }
        let user = |&user: &u32| User {
            hidden: self.hidden(user as usize),
            seen: &self.seen[user as usize],
        };
        rankings.resize_with(users.len(), TopK::new);
        query.answer_each(users.iter().map(user), rankings);
        Ok(())
    }

    /// The scores of items for a user, in the given order, like [`Session::score`].
    pub fn score(&self, user: u32, items: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.user_vector(user)?;
        let overlay = self.model.overlay();
        let catalog = self.model.view(overlay.as_deref());
        catalog.check(items.iter().copied())?;
        let mut scores = vec![0.0; items.len()];
        self.model.backend.run(Scores { catalog, hidden, items, scores: &mut scores });
        Ok(scores)
    }

    /// The hidden vector after a user's last event, of length D. Fails before the first event.
    pub fn user_vector(&self, user: u32) -> Result<&[f32]> {
        if self.events(user)? == 0 {
            return Err(Cause::UsersWithoutEvents(vec![user]).into());
        }
        Ok(self.hidden(user as usize))
    }

    /// The number of a user's events so far.
    pub fn events(&self, user: u32) -> Result<u64> {
        self.check_users(&[user])?;
        Ok(self.events[user as usize])
    }

    /// A user's distinct items so far, ascending.
    pub fn seen(&self, user: u32) -> Result<&[u32]> {
        self.check_users(&[user])?;
        Ok(&self.seen[user as usize])
    }

    /// The bytes reserved for states, hidden vectors, event counts and lists of distinct items.
    pub fn state_bytes(&self) -> usize {
        let lists: usize = self.seen.iter().map(|seen| size_of::<u32>() * seen.capacity()).sum();
        self.arena.bytes() + size_of_val(&self.events[..]) + size_of_val(&self.seen[..]) + lists
    }

    /// Clears a user's history.
    pub fn reset(&mut self, user: u32) -> Result<()> {
        self.check_users(&[user])?;
        self.events[user as usize] = 0;
        self.arena.of_mut(user as usize).fill(0.0);
        self.seen[user as usize] = Vec::new();
        Ok(())
    }

    /// Copies a user's history to a session, without log or checkpoints.
    pub fn session(&self, user: u32) -> Result<Session> {
        self.check_users(&[user])?;
        let mut session = Session::new(Arc::clone(&self.model));
        session.events = self.events[user as usize];
        session.state.copy_from_slice(self.arena.of(user as usize));
        session.seen.clone_from(&self.seen[user as usize]);
        Ok(session)
    }

    /// Replaces a user's history by that of a session on the same model. If the session holds items
    /// added by an overlay, the fleet's model must have added the same. Otherwise, or for a session
    /// on another model, returns an error, and nothing changes.
    pub fn set(&mut self, user: u32, session: &Session) -> Result<()> {
        self.check_users(&[user])?;
        let (found, expected) = (session.model(), &self.model);
        // The fingerprint is only stated by the file. Sizes depend on the config.
        if found.fingerprint() != expected.fingerprint() || found.config() != expected.config() {
            let (found, expected) = (found.fingerprint(), expected.fingerprint());
            return Err(Cause::OtherModel { what: "fleet", found, expected }.into());
        }
        let last = session.seen.last().copied();
        self.model.check_added(&found.added_up_to(last))?;
        self.events[user as usize] = session.events;
        self.arena.of_mut(user as usize).copy_from_slice(&session.state);
        self.seen[user as usize].clone_from(&session.seen);
        Ok(())
    }

    fn hidden(&self, user: usize) -> &[f32] {
        &self.arena.of(user)[self.model.config().state_len()..]
    }

    fn check_users(&self, users: &[u32]) -> Result<()> {
        let capacity = self.capacity();
        match users.iter().find(|&&user| user >= capacity) {
            None => Ok(()),
            Some(&found) => Err(Cause::UserOutOfRange { found, capacity }.into()),
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fleet = f.debug_struct("Fleet");
        fleet
            .field("capacity", &self.capacity())
            .field("arena", &self.arena)
            .finish_non_exhaustive()
    }
}
