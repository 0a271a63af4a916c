//! One user on a model.

use js_sys::{Array, Uint8Array};
use recgrela::{self as engine, Filter, TopK};
use wasm_bindgen::prelude::*;

use crate::convert::{bytes_of, ids_of, index_of, indices_of, recommendations};
use crate::error::{Result, to_js};

/// A session and its reusable ranking buffer.
#[wasm_bindgen]
pub struct Session {
    session: engine::Session,
    ranking: TopK,
}

impl Session {
    pub(crate) fn new(session: engine::Session) -> Self {
        Self { session, ranking: TopK::new() }
    }

    fn indices_of(&self, ids: &Array, skip: bool) -> Result<Vec<u32>> {
        indices_of(&self.session.model().catalog(), ids, skip)
    }

    /// Calls a function with the filter of two optional lists.
    fn with_filter<T>(
        &mut self,
        exclude_seen: bool,
        [allow, deny]: [Option<Array>; 2],
        skip: bool,
        call: impl FnOnce(&mut Self, &Filter<'_>) -> Result<T>,
    ) -> Result<T> {
        let list = |ids: Option<Array>| ids.map(|ids| self.indices_of(&ids, skip)).transpose();
        let (allow, deny) = (list(allow)?, list(deny)?.unwrap_or_default());
        let mut filter = Filter::default().exclude_seen(exclude_seen).deny(&deny);
        filter.allow = allow.as_deref();
        call(self, &filter)
    }
}

#[wasm_bindgen]
impl Session {
    /// Appends one event; returns whether it was appended.
    pub fn append(&mut self, id: &JsValue, skip: bool) -> Result<bool> {
        let item = index_of(&self.session.model().catalog(), id, skip)?;
        item.map_or(Ok(()), |item| self.session.append(item)).map_err(to_js)?;
        Ok(item.is_some())
    }

    /// Appends events, oldest first; returns how many were appended.
    pub fn extend(&mut self, ids: &Array, skip: bool) -> Result<usize> {
        let items = self.indices_of(ids, skip)?;
        self.session.extend(&items).map_err(to_js)?;
        Ok(items.len())
    }

    /// Scores of some items.
    pub fn score(&self, ids: &Array) -> Result<Vec<f32>> {
        self.session.score(&self.indices_of(ids, false)?).map_err(to_js)
    }

    /// The `k` best items that pass the filter, best first.
    #[wasm_bindgen(js_name = topK)]
    pub fn top_k(
        &mut self,
        k: usize,
        exclude_seen: bool,
        allow: Option<Array>,
        deny: Option<Array>,
        skip: bool,
    ) -> Result<Array> {
        self.with_filter(exclude_seen, [allow, deny], skip, |Self { session, ranking }, filter| {
            session.top_k_into(k, filter, ranking).map_err(to_js)?;
            Ok(recommendations(&session.model().catalog(), ranking.items()))
        })
    }

    /// The result of `top_k` after more events.
    pub fn peek(
        &mut self,
        ids: &Array,
        k: usize,
        exclude_seen: bool,
        allow: Option<Array>,
        deny: Option<Array>,
        skip: bool,
    ) -> Result<Array> {
        let items = self.indices_of(ids, skip)?;
        self.with_filter(exclude_seen, [allow, deny], skip, |Self { session, .. }, filter| {
            let best = session.peek(&items, k, filter).map_err(to_js)?;
            Ok(recommendations(&session.model().catalog(), &best))
        })
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

    /// Forgets items.
    pub fn forget(&mut self, ids: &Array) -> Result<()> {
        let items = self.indices_of(ids, false)?;
        self.session.forget(&items).map_err(to_js)
    }

    /// The session as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        self.session.snapshot()
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
        Self::new(self.session.clone())
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
}
