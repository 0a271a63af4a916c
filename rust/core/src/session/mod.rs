//! One user's history on a model.

mod event_log;
mod log;
mod migrate;
mod snapshot;
mod undo;
mod undo_ring;
mod why;

use std::fmt;
use std::iter;
use std::slice;
use std::sync::Arc;

pub(crate) use event_log::EventLog;
use undo_ring::{Checkpoint, UndoRing};
pub use why::Reason;

use crate::aligned::AlignedBuf;
use crate::catalog::{Query, Scores, User};
use crate::error::Cause;
use crate::event::Gap;
use crate::network::{Arrival, Scratch, Step};
use crate::{Event, Filter, Model, Overlay, Result, Scored, TopK};

/// One user's history on a model: a recurrent state of fixed size and the items seen.
///
/// An event costs the same however long the history is. Only the list of distinct items grows with
/// it, and the log if one is kept. [`Session::append`] and [`Session::top_k_into`] do not allocate
/// after warm-up, unless one of these exceeds its capacity (see [`Session::reserve_seen`]).
///
/// Two things are kept on request: checkpoints for [`Session::undo`] (see
/// [`Session::set_undo_depth`]), and the events for [`Session::forget`] and [`Session::why`] (see
/// [`Session::set_log_capacity`]).
///
/// ```
/// # use std::sync::Arc;
/// # use recgrela::*;
/// # fn main() -> Result<()> {
/// let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
/// let mut session = Session::new(model);
/// session.set_undo_depth(2)?; // from here on, two events can be taken back
/// session.set_log_capacity(1000); // and any of the first thousand forgotten
/// session.extend(&[7, 19, 4])?;
///
/// let next = session.peek(&[12], 5, &Filter::unseen())?; // what would come after item 12
/// session.undo(1)?; // 4 was a mistake
/// session.forget(&[7])?; // as if item 7 had never been there
/// assert_eq!(session.seen(), [19]);
/// assert_eq!(next.len(), 5);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    pub(crate) model: Arc<Model>,
    pub(crate) events: u64,
    /// The time of the last event in seconds; 0 before it, and if the model does not use times.
    pub(crate) last_time: i64,
    /// The state of all blocks, then the hidden vector of the last event: as in a snapshot.
    pub(crate) state: AlignedBuf,
    /// Ascending.
    pub(crate) seen: Vec<u32>,
    pub(crate) log: EventLog,
    undo: UndoRing,
    scratch: Scratch,
}

impl Session {
    /// Creates a session without history.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        let config = model.config();
        let state = AlignedBuf::zeros(config.state_len() + config.hidden_size);
        let scratch = Scratch::new(config, 1);
        let (log, undo) = (EventLog::default(), UndoRing::default());
        Self { model, events: 0, last_time: 0, state, seen: Vec::new(), log, undo, scratch }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Appends an event: an item, or an [`Event`] with the kind or the time that the model needs.
    /// The item must be a valid index. On an error, nothing changes.
    pub fn append(&mut self, event: impl Into<Event>) -> Result<()> {
        self.extend(&[event.into()])
    }

    /// Appends events, oldest first. If one is invalid, returns an error, and nothing changes.
    pub fn extend<E: Copy + Into<Event>>(&mut self, events: &[E]) -> Result<()> {
        let overlay = self.model.overlay();
        self.extend_under(overlay.as_deref(), events.iter().map(|&event| event.into()))
    }

    /// [`Session::extend`] with a given overlay.
    pub(crate) fn extend_under(
        &mut self,
        overlay: Option<&Overlay>,
        events: impl Iterator<Item = Event> + Clone,
    ) -> Result<()> {
        self.model.check_events(overlay, events.clone())?;
        for event in events {
            self.advance(overlay, event);
        }
        Ok(())
    }

    fn advance(&mut self, overlay: Option<&Overlay>, event: Event) {
        let Event { item, kind, time } = event;
        let before = (self.events > 0).then_some(self.last_time);
        let gap = time.map(|time| Gap::between(before, time));
        let first = self.seen.binary_search(&item);
        let checkpoint = Checkpoint {
            events: self.events,
            item,
            first_time: first.is_err(),
            dropped: self.log.push(event),
            last_time: self.last_time,
        };
        self.undo.push(checkpoint, &self.state);
        self.last_time = time.unwrap_or_default();
        if let Err(index) = first {
            self.seen.insert(index, item);
        }
        let model = &*self.model;
        model.backend.run(Step {
            network: &model.network,
            catalog: model.view(overlay),
            tile: &[Arrival { item, kind, gap, position: self.events, chunk: 0, offset: 0 }],
            next: &[],
            chunks: slice::from_mut(&mut self.state),
            scratch: &mut self.scratch,
        });
        // Only a restored snapshot can come near the limit.
        self.events = self.events.saturating_add(1);
    }

    /// The scores of items, in the given order, with the same bits that [`Session::top_k`] ranks.
    /// Returns an error before the first event, unless the model has a start vector, and for an
    /// invalid item index.
    pub fn score(&self, items: &[u32]) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; items.len()];
        self.score_into(items, &mut scores)?;
        Ok(scores)
    }

    /// [`Session::score`] into a buffer, which must be as long as `items`.
    pub fn score_into(&self, items: &[u32], scores: &mut [f32]) -> Result<()> {
        let overlay = self.model.overlay();
        self.score_under(overlay.as_deref(), items, scores)
    }

    pub(crate) fn score_under(
        &self,
        overlay: Option<&Overlay>,
        items: &[u32],
        scores: &mut [f32],
    ) -> Result<()> {
        if scores.len() != items.len() {
            return Err(Cause::BufferLength { found: scores.len(), expected: items.len() }.into());
        }
        let hidden = self.user_vector()?;
        let catalog = self.model.view(overlay);
        catalog.check(items.iter().copied())?;
        self.model.backend.run(Scores { catalog, hidden, items, scores });
        Ok(())
    }

    /// The `k` best items that the filter allows, best first; fewer if there are fewer. Ties rank
    /// by item index, the smaller one first. Items whose score is NaN are never returned.
    ///
    /// Returns an error before the first event, unless the model has a start vector, for an invalid
    /// item index in the filter, and for groups of another model.
    pub fn top_k(&self, k: usize, filter: &Filter<'_>) -> Result<Vec<Scored>> {
        let mut ranking = TopK::new();
        self.top_k_into(k, filter, &mut ranking)?;
        Ok(ranking.into_items())
    }

    /// [`Session::top_k`] into a reusable ranking. On an error, the ranking is unchanged.
    pub fn top_k_into(&self, k: usize, filter: &Filter<'_>, ranking: &mut TopK) -> Result<()> {
        let overlay = self.model.overlay();
        self.top_k_under(overlay.as_deref(), k, filter, ranking)
    }

    fn top_k_under(
        &self,
        overlay: Option<&Overlay>,
        k: usize,
        filter: &Filter<'_>,
        ranking: &mut TopK,
    ) -> Result<()> {
        self.answer(&Query::new(&self.model, overlay, k, filter)?, ranking)
    }

    fn answer(&self, query: &Query<'_>, ranking: &mut TopK) -> Result<()> {
        let excluded = if query.filter.exclude_seen { &self.seen[..] } else { &[] };
        ranking.answer(query, User { hidden: self.user_vector()?, excluded });
        Ok(())
    }

    /// [`Session::append`], then [`Session::top_k_into`], under one overlay. On an error, neither
    /// the session nor the ranking changes.
    pub fn step(
        &mut self,
        event: impl Into<Event>,
        k: usize,
        filter: &Filter<'_>,
        ranking: &mut TopK,
    ) -> Result<()> {
        let model = Arc::clone(&self.model);
        let overlay = model.overlay();
        let query = Query::new(&model, overlay.as_deref(), k, filter)?;
        self.extend_under(overlay.as_deref(), iter::once(event.into()))?;
        self.answer(&query, ranking)
    }

    /// The result of [`Session::top_k`] after more events, oldest first, without changing the
    /// session. Their items then count as seen. Copies the state and the list of seen items. Errors
    /// are those of [`Session::extend`] and [`Session::top_k`].
    pub fn peek<E: Copy + Into<Event>>(
        &self,
        events: &[E],
        k: usize,
        filter: &Filter<'_>,
    ) -> Result<Vec<Scored>> {
        let mut later = Self {
            model: Arc::clone(&self.model),
            events: self.events,
            last_time: self.last_time,
            state: self.state.clone(),
            seen: self.seen.clone(),
            log: EventLog::default(),
            undo: UndoRing::default(),
            scratch: self.scratch.clone(),
        };
        let (overlay, mut ranking) = (self.model.overlay(), TopK::new());
        later.extend_under(overlay.as_deref(), events.iter().map(|&event| event.into()))?;
        later.top_k_under(overlay.as_deref(), k, filter, &mut ranking)?;
        Ok(ranking.into_items())
    }

    /// The hidden vector after the last event, of length D; before the first event, the model's
    /// start vector. A score is its dot product with an item's embedding. Returns an error before
    /// the first event if the model has no start vector.
    pub fn user_vector(&self) -> Result<&[f32]> {
        if self.events > 0 {
            return Ok(&self.state[self.model.config().state_len()..]);
        }
        self.model.network.start.as_deref().ok_or_else(|| Cause::NoEvents.into())
    }

    /// The number of events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The time of the last event in seconds; `None` before it, and if the model does not use times.
    pub fn last_time(&self) -> Option<i64> {
        (self.events > 0 && self.model.config().gaps).then_some(self.last_time)
    }

    /// The distinct items so far, ascending.
    pub fn seen(&self) -> &[u32] {
        &self.seen
    }

    /// Reserves room for `additional` distinct items, so that appending them does not allocate.
    pub fn reserve_seen(&mut self, additional: usize) {
        self.seen.reserve(additional);
    }

    /// The bytes of the history: the recurrent state and the list of distinct items. Checkpoints
    /// ([`Session::undo_bytes`]) and the log ([`Session::set_log_capacity`]) are not included.
    pub fn state_bytes(&self) -> usize {
        size_of::<f32>() * self.model.config().state_len() + size_of_val(&self.seen[..])
    }

    /// Clears the history, the log and the checkpoints. Keeps reserved capacity, the log's capacity
    /// and the undo depth.
    pub fn reset(&mut self) {
        self.events = 0;
        self.last_time = 0;
        self.state.fill(0.0);
        self.seen.clear();
        self.log.clear();
        self.undo.clear();
    }
}

// Derived, it would be inlined wherever a session is copied, for 5 KB each.
impl Clone for Session {
    fn clone(&self) -> Self {
        Self {
            model: Arc::clone(&self.model),
            events: self.events,
            last_time: self.last_time,
            state: self.state.clone(),
            seen: self.seen.clone(),
            log: self.log.clone(),
            undo: self.undo.clone(),
            scratch: self.scratch.clone(),
        }
    }
}

/// Shows counts only: a user's items do not belong in a program's log.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, distinct) = (self.events, self.seen.len());
        let (logged, undoable) = (self.log().len(), self.undoable());
        write!(
            f,
            "Session({events} events, {distinct} distinct, {logged} in the log, {undoable} undoable)"
        )
    }
}
