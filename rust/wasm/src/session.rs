//! One user on a model.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use recgrela::{self as engine, Event, Filter, Groups, Precision, Quota, TopK};
use wasm_bindgen::prelude::*;

use crate::convert::{bytes_of, ids_of, indices_of, known, recommendations};
use crate::error::{Result, invalid, to_js};
use crate::event::{Details, event_of, events_of, names_of, reasons};

/// A session and its reusable ranking buffer.
#[wasm_bindgen]
pub struct Session {
    session: engine::Session,
    ranking: TopK,
    /// Those of the model.
    groups: Rc<RefCell<Option<Groups>>>,
}

impl Session {
    pub(crate) fn new(session: engine::Session, groups: Rc<RefCell<Option<Groups>>>) -> Self {
        Self { session, ranking: TopK::new(), groups }
    }

    fn indices_of(&self, ids: &Array, skip: bool) -> Result<Vec<u32>> {
        indices_of(&self.session.model().catalog(), ids, skip)
    }

    /// The events of known ids.
    fn events_of(&self, ids: &Array, details: &Details, skip: bool) -> Result<Vec<Event>> {
        let events = events_of(self.session.model(), ids, details, skip)?;
        Ok(events.into_iter().flatten().collect())
    }

    /// Calls a function with the filter of two optional lists and a quota.
    fn with_filter<T>(
        &mut self,
        exclude_seen: bool,
        [allow, deny]: [Option<Array>; 2],
        max_per_group: Option<usize>,
        skip: bool,
        call: impl FnOnce(&mut Self, &Filter<'_>) -> Result<T>,
    ) -> Result<T> {
        let list = |ids: Option<Array>| ids.map(|ids| self.indices_of(&ids, skip)).transpose();
        let (allow, deny) = (list(allow)?, list(deny)?.unwrap_or_default());
        let mut filter = Filter::default().exclude_seen(exclude_seen).deny(&deny);
        filter.allow = allow.as_deref();
        let groups = Rc::clone(&self.groups);
        let groups = groups.borrow();
        if let Some(limit) = max_per_group {
            let message =
                "maxPerGroup: found no groups, expected them: call setGroups of the model";
            let groups = groups.as_ref().ok_or_else(|| invalid(message))?;
            filter.quota = Some(Quota { groups, limit });
        }
        call(self, &filter)
    }
}

#[wasm_bindgen]
impl Session {
    /// Appends one event; returns whether it was appended.
    pub fn append(
        &mut self,
        id: &JsValue,
        kind: Option<JsValue>,
        time: Option<f64>,
        skip: bool,
    ) -> Result<bool> {
        let event = event_of(self.session.model(), id, kind.as_ref(), time, skip)?;
        event.map_or(Ok(()), |event| self.session.append(event)).map_err(to_js)?;
        Ok(event.is_some())
    }

    /// Appends events, oldest first; returns how many were appended.
    pub fn extend(
        &mut self,
        ids: &Array,
        kinds: Option<Array>,
        times: Option<Vec<f64>>,
        skip: bool,
    ) -> Result<usize> {
        let events = self.events_of(ids, &Details { kinds, times }, skip)?;
        self.session.extend(&events).map_err(to_js)?;
        Ok(events.len())
    }

    /// Scores of some items.
    pub fn score(&self, ids: &Array) -> Result<Vec<f32>> {
        self.session.score(&self.indices_of(ids, false)?).map_err(to_js)
    }

    /// The hidden vector after the last event.
    #[wasm_bindgen(js_name = userVector)]
    pub fn user_vector(&self) -> Result<Vec<f32>> {
        Ok(self.session.user_vector().map_err(to_js)?.to_vec())
    }

    /// The `k` best items that pass the filter, best first.
    #[wasm_bindgen(js_name = topK)]
    pub fn top_k(
        &mut self,
        k: usize,
        exclude_seen: bool,
        allow: Option<Array>,
        deny: Option<Array>,
        max_per_group: Option<usize>,
        skip: bool,
    ) -> Result<Array> {
        self.with_filter(exclude_seen, [allow, deny], max_per_group, skip, |user, filter| {
            let Self { session, ranking, .. } = user;
            session.top_k_into(k, filter, ranking).map_err(to_js)?;
            Ok(recommendations(&session.model().catalog(), ranking.items()))
        })
    }

    /// `append`, then `topK`.
    #[allow(clippy::too_many_arguments)] // options in JavaScript
    pub fn step(
        &mut self,
        id: &JsValue,
        kind: Option<JsValue>,
        time: Option<f64>,
        k: usize,
        exclude_seen: bool,
        allow: Option<Array>,
        deny: Option<Array>,
        max_per_group: Option<usize>,
        skip: bool,
    ) -> Result<Array> {
        let event = event_of(self.session.model(), id, kind.as_ref(), time, skip)?;
        self.with_filter(exclude_seen, [allow, deny], max_per_group, skip, |user, filter| {
            let Self { session, ranking, .. } = user;
            match event {
                Some(event) => session.step(event, k, filter, ranking),
                None => session.top_k_into(k, filter, ranking),
            }
            .map_err(to_js)?;
            Ok(recommendations(&session.model().catalog(), ranking.items()))
        })
    }

    /// The result of `top_k` after more events.
    #[allow(clippy::too_many_arguments)] // options in JavaScript
    pub fn peek(
        &mut self,
        ids: &Array,
        kinds: Option<Array>,
        times: Option<Vec<f64>>,
        k: usize,
        exclude_seen: bool,
        allow: Option<Array>,
        deny: Option<Array>,
        max_per_group: Option<usize>,
        skip: bool,
    ) -> Result<Array> {
        let events = self.events_of(ids, &Details { kinds, times }, skip)?;
        self.with_filter(exclude_seen, [allow, deny], max_per_group, skip, |user, filter| {
            let best = user.session.peek(&events, k, filter).map_err(to_js)?;
            Ok(recommendations(&user.session.model().catalog(), &best))
        })
    }

    /// The events that an item's score depends on most.
    pub fn why(&self, id: &JsValue, n: usize) -> Result<Array> {
        let model = self.session.model();
        let item = known(&model.catalog(), id)?;
        Ok(reasons(model, &self.session.why(item, n).map_err(to_js)?))
    }

    /// Keeps the last `depth` events undoable.
    #[wasm_bindgen(js_name = keepUndo)]
    pub fn keep_undo(&mut self, depth: usize) -> Result<()> {
        self.session.set_undo_depth(depth).map_err(to_js)
    }

    /// Undoes the last events.
    pub fn undo(&mut self, n: usize) -> Result<()> {
        self.session.undo(n).map_err(to_js)
    }

    /// Keeps a log of the last events.
    #[wasm_bindgen(js_name = keepLog)]
    pub fn keep_log(&mut self, capacity: usize) {
        self.session.set_log_capacity(capacity);
    }

    /// The ids of the events in the log, oldest first.
    #[wasm_bindgen(getter)]
    pub fn log(&self) -> Array {
        ids_of(&self.session.model().catalog(), self.session.log())
    }

    /// The names of the kinds of the events in the log.
    #[wasm_bindgen(getter, js_name = logKinds)]
    pub fn log_kinds(&self) -> Array {
        names_of(self.session.model(), self.session.log_kinds())
    }

    /// The times of the events in the log.
    #[wasm_bindgen(getter, js_name = logTimes)]
    pub fn log_times(&self) -> Array {
        self.session.log_times().map(|seconds| JsValue::from_f64(seconds as f64)).collect()
    }

    /// Forgets items.
    pub fn forget(&mut self, ids: &Array) -> Result<()> {
        let items = self.indices_of(ids, false)?;
        self.session.forget(&items).map_err(to_js)
    }

    /// The session as bytes, on request in half precision.
    pub fn snapshot(&self, half: bool) -> Vec<u8> {
        self.session.snapshot_with(if half { Precision::F16 } else { Precision::F32 })
    }

    /// Continues from a snapshot.
    pub fn restore(&mut self, snapshot: &Uint8Array) -> Result<()> {
        self.session.restore(&bytes_of(snapshot)?).map_err(to_js)
    }

    /// Forgets all events.
    pub fn reset(&mut self) {
        self.session.reset();
    }

    /// An independent copy.
    #[wasm_bindgen(js_name = clone)]
    pub fn copy(&self) -> Self {
        Self::new(self.session.clone(), Rc::clone(&self.groups))
    }

    /// The number of events; exact up to 2^53.
    #[wasm_bindgen(getter)]
    pub fn events(&self) -> f64 {
        self.session.events() as f64
    }

    /// The ids of the distinct items so far, in catalogue order.
    #[wasm_bindgen(getter)]
    pub fn seen(&self) -> Array {
        ids_of(&self.session.model().catalog(), self.session.seen().iter().copied())
    }

    /// Size of the session in bytes.
    #[wasm_bindgen(getter, js_name = stateBytes)]
    pub fn state_bytes(&self) -> usize {
        self.session.state_bytes()
    }

    /// How many events can be undone.
    #[wasm_bindgen(getter)]
    pub fn undoable(&self) -> usize {
        self.session.undoable()
    }

    /// The bytes allocated by `keep_undo`.
    #[wasm_bindgen(getter, js_name = undoBytes)]
    pub fn undo_bytes(&self) -> usize {
        self.session.undo_bytes()
    }
}
