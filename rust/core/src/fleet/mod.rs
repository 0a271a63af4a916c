//! Many users on a model.

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

/// Bytes of a user beside the numbers: an event count, a list, and a place in the queue.
const LISTS_BYTES: usize = size_of::<u64>() + size_of::<Vec<u32>>() + size_of::<usize>();

/// Thousands of users on a model, in one piece of memory.
///
/// A fleet does for its users what as many [`Session`]s do, to the bit, and several times as fast:
/// [`Fleet::append`] and [`Fleet::top_k`] take many users at once and read the weights and the
/// catalogue once for a group of them. Users are numbered from 0 to below the capacity.
///
/// A user takes what a session's state takes and 4 D bytes for the last hidden vector, together
/// rounded up to whole cache lines, and 40 bytes besides the list of distinct items: 20,776 bytes
/// where D is 64, with 4 heads and 4 blocks. The memory is reserved at the start; where the
/// operating system hands it out on first use, users without events take next to none of it.
/// Appending allocates nothing after the largest call, except when a user's list of distinct
/// items outgrows its capacity.
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
    /// For each user the blocks' state, then the hidden vector of the last event.
    arena: Arena,
    events: Vec<u64>,
    /// Ascending.
    seen: Vec<Vec<u32>>,
    queue: Queue,
    scratch: Scratch,
}

impl Fleet {
    /// A fleet of `capacity` users without history. It is an error if there is no memory for them.
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

    /// How many users there is room for.
    pub fn capacity(&self) -> u32 {
        self.events.len() as u32
    }

    /// Appends an event to each of some users: `items[i]` to `users[i]`. A user may occur more than
    /// once, the oldest event first. Lists of different lengths, a user past the capacity and an item
    /// that the catalogue does not have are errors, and nothing is appended.
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
            // Only a restored history can be anywhere near the end.
            *events = events.saturating_add(1);
            if let Err(at) = seen.binary_search(&item) {
                seen.insert(at, item);
            }
        }
        Ok(())
    }

    /// For each of some users the `k` best items that the filter lets through, as
    /// [`Session::top_k`] gives them. The lists of the filter are the same for all, what was seen
    /// is each user's own. A user may occur more than once. Errors are those of a session, and a user
    /// past the capacity.
    pub fn top_k(&self, users: &[u32], k: usize, filter: &Filter<'_>) -> Result<Vec<Vec<Scored>>> {
        let mut rankings = Vec::new();
        self.top_k_into(users, k, filter, &mut rankings)?;
        Ok(rankings.into_iter().map(TopK::into_items).collect())
    }

    /// [`Fleet::top_k`] into rankings that are used again, one a user: there are as many
    /// afterwards as users. On an error they are left as they were.
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

    /// The scores of some items for a user, in the order given, as [`Session::score`] gives them.
    pub fn score(&self, user: u32, items: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.user_vector(user)?;
        let overlay = self.model.overlay();
        let catalog = self.model.view(overlay.as_deref());
        catalog.check(items.iter().copied())?;
        let mut scores = vec![0.0; items.len()];
        self.model.backend.run(Scores { catalog, hidden, items, scores: &mut scores });
        Ok(scores)
    }

    /// The hidden vector of a user's last event, D numbers. It is an error before the first event.
    pub fn user_vector(&self, user: u32) -> Result<&[f32]> {
        if self.events(user)? == 0 {
            return Err(Cause::UsersWithoutEvents(vec![user]).into());
        }
        Ok(self.hidden(user as usize))
    }

    /// A user's events so far.
    pub fn events(&self, user: u32) -> Result<u64> {
        self.check_users(&[user])?;
        Ok(self.events[user as usize])
    }

    /// A user's distinct items so far, ascending.
    pub fn seen(&self, user: u32) -> Result<&[u32]> {
        self.check_users(&[user])?;
        Ok(&self.seen[user as usize])
    }

    /// Bytes reserved for the histories: states with the last hidden vectors, event counts and
    /// lists of distinct items.
    pub fn state_bytes(&self) -> usize {
        let lists: usize = self.seen.iter().map(|seen| size_of::<u32>() * seen.capacity()).sum();
        self.arena.bytes() + size_of_val(&self.events[..]) + size_of_val(&self.seen[..]) + lists
    }

    /// Forgets a user's history.
    pub fn reset(&mut self, user: u32) -> Result<()> {
        self.check_users(&[user])?;
        self.events[user as usize] = 0;
        self.arena.of_mut(user as usize).fill(0.0);
        self.seen[user as usize] = Vec::new();
        Ok(())
    }

    /// A user's history as a session of its own, which keeps neither log nor checkpoints yet.
    pub fn session(&self, user: u32) -> Result<Session> {
        self.check_users(&[user])?;
        let mut session = Session::new(Arc::clone(&self.model));
        session.events = self.events[user as usize];
        session.state.copy_from_slice(self.arena.of(user as usize));
        session.seen.clone_from(&self.seen[user as usize]);
        Ok(session)
    }

    /// Gives a user the history of a session on the same model, in place of its own. If the session
    /// holds items that an overlay added, the fleet's model has to have added the same; otherwise,
    /// and for a session on another model, this is an error and nothing changes.
    pub fn set(&mut self, user: u32, session: &Session) -> Result<()> {
        self.check_users(&[user])?;
        let (found, expected) = (session.model(), &self.model);
        // A fingerprint is what a file states of itself; the config is what sizes depend on.
        if found.fingerprint() != expected.fingerprint() || found.config() != expected.config() {
            let (found, expected) = (found.fingerprint(), expected.fingerprint());
            return Err(Cause::FleetModel { found, expected }.into());
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
