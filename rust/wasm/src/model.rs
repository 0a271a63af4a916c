//! A loaded model.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Float32Array, Float64Array, Uint8Array};
use recgrela::{self as engine, Groups, ItemId, Kind, Overlay};
use wasm_bindgen::prelude::*;

use crate::convert::{bytes_of, find, ids_of, indices_of, integers_of, numbers_of, with_new_ids};
use crate::error::{Result, of_overlay, to_js};
use crate::event::{Details, events_of, names_of};
use crate::session::Session;

#[wasm_bindgen(raw_module = "./shared.js")]
extern "C" {
    /// The object with these properties.
    #[allow(clippy::too_many_arguments)] // those of a config
    fn architecture(
        hidden_size: usize,
        num_heads: usize,
        num_layers: usize,
        inner_size: usize,
        num_items: usize,
        gate: bool,
        local_conv: bool,
        positions: &str,
        final_norm: bool,
        start: bool,
        kinds: Array,
        gaps: bool,
    ) -> JsValue;
}

/// A model, shared with its sessions.
#[wasm_bindgen]
pub struct Model {
    model: Arc<engine::Model>,
    /// For the quotas of all sessions.
    groups: Rc<RefCell<Option<Groups>>>,
}

impl Model {
    fn started(&self, session: engine::Session) -> Session {
        Session::new(session, Rc::clone(&self.groups))
    }

    /// Changes the overlay at the items with some ids.
    fn change(
        &self,
        ids: &Array,
        mut change: impl FnMut(&mut Overlay, &[u32]) -> engine::Result<()>,
    ) -> Result<()> {
        let items = indices_of(&self.model.catalog(), ids, false)?;
        self.model.update_overlay(|overlay| change(overlay, &items)).map_err(of_overlay)
    }

    /// The ids of items that were changed in one way.
    fn changed(&self, which: fn(&Overlay) -> &[u32]) -> Array {
        let catalog = self.model.catalog();
        let found = catalog.overlay().map_or(&[][..], which);
        ids_of(&catalog, found.iter().copied())
    }
}

#[wasm_bindgen]
impl Model {
    /// Loads a model from the bytes of its file, and verifies it on request.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &Uint8Array, verify: bool) -> Result<Self> {
        let model = Arc::new(engine::Model::from_bytes(bytes_of(bytes)?).map_err(to_js)?);
        if verify {
            model.verify().map_err(to_js)?;
        }
        Ok(Self { model, groups: Rc::default() })
    }

    /// Compares the instruction sets of this build; returns their names.
    #[wasm_bindgen(js_name = compareIsas)]
    pub fn compare_isas(&self) -> Result<Array> {
        let compared = self.model.compare_isas().map_err(to_js)?;
        Ok(compared.isas.iter().map(|isa| JsValue::from_str(isa.name())).collect())
    }

    /// A session without history.
    pub fn session(&self) -> Session {
        self.started(engine::Session::new(Arc::clone(&self.model)))
    }

    /// A session with the history of another model's snapshot.
    pub fn migrate(
        &self,
        snapshot: &Uint8Array,
        log: &Array,
        kinds: Option<Array>,
        times: Option<Vec<f64>>,
    ) -> Result<Session> {
        let log = events_of(&self.model, log, &Details { kinds, times }, true)?;
        let (model, snapshot) = (Arc::clone(&self.model), bytes_of(snapshot)?);
        Ok(self.started(engine::Session::migrate(model, &snapshot, &log).map_err(to_js)?))
    }

    /// Whether an item has this id.
    pub fn has(&self, id: &JsValue) -> bool {
        matches!(find(&self.model.catalog(), id), Ok(Some(_)))
    }

    /// The ids of all items, in catalogue order.
    pub fn items(&self) -> Array {
        let catalog = self.model.catalog();
        ids_of(&catalog, 0..catalog.len() as u32)
    }

    /// The vectors of items, one after the other.
    #[wasm_bindgen(js_name = itemVectors)]
    pub fn item_vectors(&self, ids: &Array) -> Result<Vec<f32>> {
        let items = indices_of(&self.model.catalog(), ids, false)?;
        self.model.item_vectors(&items).map_err(to_js)
    }

    /// Sets the group of each item.
    #[wasm_bindgen(js_name = setGroups)]
    pub fn set_groups(&self, groups: &Float64Array) -> Result<()> {
        let groups = Groups::new(&self.model, &integers_of(groups)?).map_err(to_js)?;
        *self.groups.borrow_mut() = Some(groups);
        Ok(())
    }

    /// Adds items with their vectors, or replaces their vectors.
    #[wasm_bindgen(js_name = addItems)]
    pub fn add_items(&self, ids: &Array, vectors: &Float32Array) -> Result<()> {
        let vectors = numbers_of(vectors)?;
        let add =
            |ids: &[ItemId<'_>]| self.model.update_overlay(|overlay| overlay.add(ids, &vectors));
        with_new_ids(ids, add)?.map_err(of_overlay)?;
        Ok(())
    }

    /// Retires items.
    pub fn retire(&self, ids: &Array) -> Result<()> {
        self.change(ids, Overlay::retire)
    }

    /// Reinstates retired items.
    pub fn reinstate(&self, ids: &Array) -> Result<()> {
        self.change(ids, Overlay::reinstate)
    }

    /// The changes of the catalogue as bytes.
    pub fn overlay(&self) -> Vec<u8> {
        self.model.overlay_bytes()
    }

    /// Replaces all changes of the catalogue.
    #[wasm_bindgen(js_name = setOverlay)]
    pub fn set_overlay(&self, bytes: &Uint8Array) -> Result<()> {
        let bytes = bytes_of(bytes)?;
        let overlay = Overlay::from_bytes(&self.model, &bytes).map_err(of_overlay)?;
        self.model.set_overlay(overlay).map_err(of_overlay)
    }

    /// The ids of retired items.
    #[wasm_bindgen(getter)]
    pub fn retired(&self) -> Array {
        self.changed(Overlay::retired)
    }

    /// The ids of items whose vector was replaced.
    #[wasm_bindgen(getter)]
    pub fn replaced(&self) -> Array {
        self.changed(Overlay::replaced)
    }

    /// The ids of added items.
    #[wasm_bindgen(getter)]
    pub fn added(&self) -> Array {
        let catalog = self.model.catalog();
        ids_of(&catalog, self.model.num_items() as u32..catalog.len() as u32)
    }

    /// The number of items.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.model.catalog().len()
    }

    /// The architecture, as an object.
    #[wasm_bindgen(getter)]
    pub fn config(&self) -> JsValue {
        let config = self.model.config();
        architecture(
            config.hidden_size,
            config.num_heads,
            config.num_layers,
            config.inner_size,
            config.num_items,
            config.gate,
            config.local_conv,
            config.positions.name(),
            config.final_norm,
            config.start,
            self.kinds(),
            config.gaps,
        )
    }

    /// The type of the item table.
    #[wasm_bindgen(getter, js_name = tableDtype)]
    pub fn table_dtype(&self) -> String {
        self.model.table_dtype().to_string()
    }

    /// Whether the model uses the times of events.
    #[wasm_bindgen(getter, js_name = usesTimes)]
    pub fn uses_times(&self) -> bool {
        self.model.config().gaps
    }

    /// The names of the kinds of events.
    #[wasm_bindgen(getter)]
    pub fn kinds(&self) -> Array {
        names_of(&self.model, (0..self.model.config().kinds.len() as u8).map(Kind::new))
    }

    /// Whether there is a start vector.
    #[wasm_bindgen(getter, js_name = hasStart)]
    pub fn has_start(&self) -> bool {
        self.model.config().start
    }

    /// The fingerprint, 64 hex digits.
    #[wasm_bindgen(getter)]
    pub fn fingerprint(&self) -> String {
        self.model.fingerprint().to_string()
    }

    /// Whether the ids are strings; otherwise they are numbers.
    #[wasm_bindgen(getter)]
    pub fn text(&self) -> bool {
        self.model.catalog().is_text()
    }

    /// The name of the instruction set.
    #[wasm_bindgen(getter)]
    pub fn isa(&self) -> String {
        self.model.isa().name().to_owned()
    }
}
