//! One user on a model.

use std::slice;
use std::sync::{Arc, Mutex};

use recgrela::{Precision, TopK};

use crate::error::{RecgrelaError, Result};
use crate::event::{Details, Reason, events_of, names_of, reasons};
use crate::item::{
    Filter, ItemId, Lists, ModelGroups, Recommendation, count, ids_of, index_of, indices_of,
    recommendations,
};

/// One user's session on a model: it appends one event at a time and recommends the next item.
///
/// The state has a fixed size, and an event costs the same however long the history is. Threads may
/// share a session; their calls take turns.
#[derive(uniffi::Object)]
pub struct Session {
    model: Arc<recgrela::Model>,
    groups: Arc<ModelGroups>,
    user: Mutex<User>,
}

/// A session and its reusable ranking buffer.
struct User {
    session: recgrela::Session,
    ranking: TopK,
}

impl Session {
    pub(crate) fn new(session: recgrela::Session, groups: Arc<ModelGroups>) -> Self {
        let model = Arc::clone(session.model());
        Self { model, groups, user: Mutex::new(User { session, ranking: TopK::new() }) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut User) -> recgrela::Result<T>) -> Result<T> {
        // A panic may have left the state half changed.
        let mut user = self.user.lock().map_err(|_| {
            let message = "the session is unusable since an earlier call failed inside the \
                           library: make a new one, and restore its last snapshot";
            RecgrelaError::Internal(message.to_owned())
        })?;
        Ok(work(&mut user)?)
    }
}

#[uniffi::export]
impl Session {
    /// Appends an event. A model with kinds needs the name of its kind, a model without refuses one.
    /// A model that uses times needs its time in whole seconds, any other refuses one.
    #[uniffi::method(default(kind = None, time = None))]
    pub fn append(&self, item: ItemId, kind: Option<String>, time: Option<i64>) -> Result<()> {
        self.extend(vec![item], kind.map(|kind| vec![kind]), time.map(|time| vec![time]))
    }

    /// Appends events, oldest first; on an error, none of them. `kinds` and `times` have the kind and
    /// the time of each, as in `append`.
    #[uniffi::method(default(kinds = None, times = None))]
    pub fn extend(
        &self,
        items: Vec<ItemId>,
        kinds: Option<Vec<String>>,
        times: Option<Vec<i64>>,
    ) -> Result<()> {
        let details = Details { kinds: kinds.as_deref(), times: times.as_deref() };
        let events = events_of(&self.model, &items, details)?;
        self.with(|user| user.session.extend(&events))
    }

    /// The scores of some items, in the given order; these are the scores that `topK` ranks by.
    pub fn score(&self, items: Vec<ItemId>) -> Result<Vec<f32>> {
        let items = indices_of(&self.model.catalog(), &items)?;
        self.with(|user| user.session.score(&items))
    }

    /// The `k` best items, best first; fewer if fewer are left.
    #[uniffi::method(default(k = 10, filter))]
    pub fn top_k(&self, k: i32, filter: Filter) -> Result<Vec<Recommendation>> {
        let catalog = self.model.catalog();
        let (k, lists) = (count("k", k)?, Lists::new(&catalog, &self.groups, &filter)?);
        self.with(|User { session, ranking }| {
            session.top_k_into(k, &lists.filter(), ranking)?;
            Ok(recommendations(&session.model().catalog(), ranking.items()))
        })
    }

    /// Appends an event, then returns the `k` best items, in one call; on an error, nothing is
    /// appended. `kind` and `time` are as in `append`.
    #[uniffi::method(default(k = 10, kind = None, time = None, filter))]
    pub fn step(
        &self,
        item: ItemId,
        k: i32,
        filter: Filter,
        kind: Option<String>,
        time: Option<i64>,
    ) -> Result<Vec<Recommendation>> {
        let catalog = self.model.catalog();
        let (k, lists) = (count("k", k)?, Lists::new(&catalog, &self.groups, &filter)?);
        let kinds = kind.as_ref().map(slice::from_ref);
        let details = Details { kinds, times: time.as_ref().map(slice::from_ref) };
        let event = events_of(&self.model, &[item], details)?[0];
        self.with(|User { session, ranking }| {
            session.step(event, k, &lists.filter(), ranking)?;
            Ok(recommendations(&session.model().catalog(), ranking.items()))
        })
    }

    /// The `k` best items after more events, without changing the session. `kinds` and `times` are as
    /// in `extend`.
    #[uniffi::method(default(k = 10, kinds = None, times = None, filter))]
    pub fn peek(
        &self,
        items: Vec<ItemId>,
        k: i32,
        filter: Filter,
        kinds: Option<Vec<String>>,
        times: Option<Vec<i64>>,
    ) -> Result<Vec<Recommendation>> {
        let catalog = self.model.catalog();
        let (k, lists) = (count("k", k)?, Lists::new(&catalog, &self.groups, &filter)?);
        let details = Details { kinds: kinds.as_deref(), times: times.as_deref() };
        let events = events_of(&self.model, &items, details)?;
        let ranking = self.with(|user| user.session.peek(&events, k, &lists.filter()))?;
        Ok(recommendations(&self.model.catalog(), &ranking))
    }

    /// The hidden vector after the last event: a score is its dot product with the vector of an item.
    /// Before the first event it is the model's start vector, or an error if it has none.
    pub fn user_vector(&self) -> Result<Vec<f32>> {
        self.with(|user| user.session.user_vector().map(<[f32]>::to_vec))
    }

    /// The `n` events without which an item's score falls most, largest drop first; fewer if fewer
    /// events raise it.
    ///
    /// Replays the log, which needs every event, once for each event that is examined. Of more than
    /// 256 events, blocks are examined first, and then the events of the best blocks.
    #[uniffi::method(default(n = 3))]
    pub fn why(&self, item: ItemId, n: i32) -> Result<Vec<Reason>> {
        let item = index_of(&self.model.catalog(), &item)?;
        let n = count("n", n)?;
        let found = self.with(|user| user.session.why(item, n))?;
        Ok(reasons(&self.model, &found))
    }

    /// Keeps the last `depth` events undoable, from the next event on, at the cost of one copy of the state each: see
    /// `undoBytes`. 0, the default, keeps none.
    pub fn keep_undo(&self, depth: i32) -> Result<()> {
        let depth = count("depth", depth)?;
        self.with(|user| user.session.set_undo_depth(depth))
    }

    /// Undoes the last `n` events, exactly.
    #[uniffi::method(default(n = 1))]
    pub fn undo(&self, n: i32) -> Result<()> {
        let n = count("n", n)?;
        self.with(|user| user.session.undo(n))
    }

    /// How many events can be undone now.
    pub fn undoable(&self) -> Result<i32> {
        self.with(|user| Ok(user.session.undoable() as i32))
    }

    /// Bytes allocated by `keepUndo`; `stateBytes` does not include them.
    pub fn undo_bytes(&self) -> Result<i64> {
        self.with(|user| Ok(user.session.undo_bytes() as i64))
    }

    /// Keeps a log of the last `capacity` events, from now on; 0, the default, keeps none. `forget`
    /// and `why` need all events in the log.
    pub fn keep_log(&self, capacity: i32) -> Result<()> {
        let capacity = count("capacity", capacity)?;
        self.with(|user| {
            user.session.set_log_capacity(capacity);
            Ok(())
        })
    }

    /// The item ids of the events in the log, oldest first.
    pub fn log(&self) -> Result<Vec<ItemId>> {
        self.with(|user| Ok(ids_of(&self.model.catalog(), user.session.log())))
    }

    /// The kinds of the events in the log, oldest first; empty if the model has no kinds.
    pub fn log_kinds(&self) -> Result<Vec<String>> {
        self.with(|user| Ok(names_of(&self.model, user.session.log_kinds())))
    }

    /// The times of the events in the log in seconds, oldest first; empty unless the model uses times.
    pub fn log_times(&self) -> Result<Vec<i64>> {
        self.with(|user| Ok(user.session.log_times().collect()))
    }

    /// Forgets items, exactly: the session becomes one that never saw them.
    pub fn forget(&self, items: Vec<ItemId>) -> Result<()> {
        let items = indices_of(&self.model.catalog(), &items)?;
        self.with(|user| user.session.forget(&items))
    }

    /// The session as bytes, which `restore` continues from exactly. They reveal what the user has
    /// seen and are not encrypted.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        self.with(|user| Ok(user.session.snapshot()))
    }

    /// The session as bytes with the state in half precision, in half the bytes of the state. After
    /// `restore` the scores are the same until the next event; after it, tests found errors below a
    /// thousandth of the largest.
    pub fn snapshot_f16(&self) -> Result<Vec<u8>> {
        self.with(|user| Ok(user.session.snapshot_with(Precision::F16)))
    }

    /// Continues from a snapshot of the same model.
    pub fn restore(&self, snapshot: Vec<u8>) -> Result<()> {
        self.with(|user| user.session.restore(&snapshot))
    }

    /// Forgets all events.
    pub fn reset(&self) -> Result<()> {
        self.with(|user| {
            user.session.reset();
            Ok(())
        })
    }

    /// An independent copy, also of the log and of the events that can be undone.
    #[uniffi::method(name = "clone")] // the generated code would clone the Arc
    pub fn copy(&self) -> Result<Arc<Self>> {
        let session = self.with(|user| Ok(user.session.clone()))?;
        Ok(Arc::new(Self::new(session, Arc::clone(&self.groups))))
    }

    /// The number of events so far.
    pub fn events(&self) -> Result<i64> {
        self.with(|user| Ok(i64::try_from(user.session.events()).unwrap_or(i64::MAX)))
    }

    /// The distinct items so far, in catalogue order.
    pub fn seen(&self) -> Result<Vec<ItemId>> {
        self.with(|user| Ok(ids_of(&self.model.catalog(), user.session.seen().iter().copied())))
    }

    /// Size in bytes: the state, and 4 for each distinct item.
    pub fn state_bytes(&self) -> Result<i64> {
        self.with(|user| Ok(user.session.state_bytes() as i64))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::Session;
    use crate::RecgrelaError;

    #[test]
    fn events_have_kinds_and_the_first_screen_needs_none() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/both.safetensors");
        let model = crate::Model::open(path).unwrap();
        assert!(model.has_start());
        let (item, kinds) = (model.item_ids()[0].clone(), model.kinds());
        let filter = || crate::Filter {
            exclude_seen: true,
            allow: None,
            deny: Vec::new(),
            max_per_group: None,
        };
        let top_k = |session: &Session| {
            let best = session.top_k(5, filter()).unwrap();
            best.into_iter().map(|best| best.score).collect::<Vec<_>>()
        };
        let session = model.new_session();
        assert_eq!(top_k(&session).len(), 5);

        let missing = session.append(item.clone(), None, None).unwrap_err();
        assert!(matches!(missing, RecgrelaError::InvalidArgument(_)));
        assert!(missing.to_string().contains(&kinds[2]));
        assert_eq!(session.events().unwrap(), 0);

        session.keep_log(5).unwrap();
        session.append(item.clone(), Some(kinds[2].clone()), None).unwrap();
        assert_eq!(session.log_kinds().unwrap(), kinds[2..3]);
        let log = session.log().unwrap();
        let moved = model.migrate(session.snapshot().unwrap(), log, session.log_kinds().ok(), None);
        assert_eq!(top_k(&moved.unwrap()), top_k(&session));
        let other = model.new_session();
        other.extend(vec![item.clone()], Some(vec![kinds[0].clone()]), None).unwrap();
        assert_ne!(top_k(&other), top_k(&session));
        assert!(other.step(item.clone(), 5, filter(), None, None).is_err());
        assert_eq!(other.events().unwrap(), 1);
        let best = other.step(item, 5, filter(), Some(kinds[1].clone()), None).unwrap();
        assert_eq!(best.iter().map(|best| best.score).collect::<Vec<_>>(), top_k(&other));
    }

    #[test]
    fn after_a_panic_every_call_is_an_error() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/f32.safetensors");
        let model = Arc::new(recgrela::Model::open(path).unwrap());
        let session = Session::new(recgrela::Session::new(model), Arc::default());
        let panics = || session.with(|_| -> recgrela::Result<()> { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert!(matches!(session.events(), Err(RecgrelaError::Internal(_))));
        assert!(matches!(session.reset(), Err(RecgrelaError::Internal(_))));
    }
}
