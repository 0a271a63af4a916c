//! A loaded model.

use std::sync::Arc;

use js_sys::{Array, Uint8Array};
use recgrela as engine;
use wasm_bindgen::prelude::*;

use crate::convert::{bytes_of, find, ids_of};
use crate::error::{Result, to_js};
use crate::session::Session;

/// A model, shared with its sessions.
#[wasm_bindgen]
pub struct Model(Arc<engine::Model>);

#[wasm_bindgen]
impl Model {
    /// Loads a model from the bytes of its file, and verifies it on request.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &Uint8Array, verify: bool) -> Result<Self> {
        let model = Arc::new(engine::Model::from_bytes(bytes_of(bytes)?).map_err(to_js)?);
        if verify {
            model.verify().map_err(to_js)?;
        }
        Ok(Self(model))
    }

    /// A session without history.
    pub fn session(&self) -> Session {
        Session::new(engine::Session::new(Arc::clone(&self.0)))
    }

    /// Whether an item has this id.
    pub fn has(&self, id: &JsValue) -> bool {
        matches!(find(&self.0.catalog(), id), Ok(Some(_)))
    }

    /// The ids of all items, in catalogue order.
    pub fn items(&self) -> Array {
        let catalog = self.0.catalog();
        ids_of(&catalog, 0..catalog.len() as u32)
    }

    /// The number of items.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.0.num_items()
    }

    /// The fingerprint, 64 hex digits.
    #[wasm_bindgen(getter)]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint().to_string()
    }

    /// Whether the ids are strings; otherwise they are numbers.
    #[wasm_bindgen(getter)]
    pub fn text(&self) -> bool {
        self.0.catalog().is_text()
    }

    /// The name of the instruction set.
    #[wasm_bindgen(getter)]
    pub fn isa(&self) -> String {
        self.0.isa().name().to_owned()
    }
}
