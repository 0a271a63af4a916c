//! Conversions between JavaScript's events, item ids with names of kinds, and the engine's.

use js_sys::Array;
use recgrela::{Event, Kind, Model, Reason};
use wasm_bindgen::prelude::*;

use crate::convert::{index_of, shown, to_js};
use crate::error::{Result, invalid, to_js as error};

#[wasm_bindgen(raw_module = "./shared.js")]
extern "C" {
    /// Adds the object `{ position, item, kind, drop }` to an array; without a kind if there is none.
    fn explain(reasons: &Array, position: f64, item: JsValue, kind: Option<&str>, lost: f32);
}

/// The event of an id and the name of its kind; `None` or an error if the id is unknown.
pub(crate) fn event_of(
    model: &Model,
    id: &JsValue,
    kind: Option<&JsValue>,
    skip: bool,
) -> Result<Option<Event>> {
    let kind = kind.map(|name| kind_of(model, name)).transpose()?;
    Ok(index_of(&model.catalog(), id, skip)?.map(|item| (item, kind).into()))
}

/// The same for some ids. `kinds` has the kind of each.
pub(crate) fn events_of(
    model: &Model,
    ids: &Array,
    kinds: Option<&Array>,
    skip: bool,
) -> Result<Vec<Option<Event>>> {
    let expected = ids.length();
    if let Some(found) = kinds.map(Array::length).filter(|&found| found != expected) {
        let message = format!("kinds: found {found}, expected {expected}, one for each item");
        return Err(invalid(&message));
    }
    let catalog = model.catalog();
    let event = |(index, id): (usize, JsValue)| {
        let name = kinds.map(|kinds| kinds.get(index as u32));
        let kind = name.map(|name| kind_of(model, &name)).transpose()?;
        Ok(index_of(&catalog, &id, skip)?.map(|item| (item, kind).into()))
    };
    ids.iter().enumerate().map(event).collect()
}

fn kind_of(model: &Model, name: &JsValue) -> Result<Kind> {
    let name = name.as_string().ok_or_else(|| {
        invalid(&format!("kind of event: found {}, expected a string", shown(name)))
    })?;
    model.kind(&name).map_err(error)
}

/// The names of kinds, as an array.
pub(crate) fn names_of(model: &Model, kinds: impl IntoIterator<Item = Kind>) -> Array {
    kinds.into_iter().filter_map(|kind| model.kind_name(kind)).map(JsValue::from_str).collect()
}

/// Reasons as an array of objects.
pub(crate) fn reasons(model: &Model, found: &[Reason]) -> Array {
    let (array, catalog) = (Array::new(), model.catalog());
    for reason in found {
        if let Some(id) = catalog.id(reason.event.item) {
            let kind = reason.event.kind.and_then(|kind| model.kind_name(kind));
            explain(&array, reason.position as f64, to_js(id), kind, reason.drop);
        }
    }
    array
}
