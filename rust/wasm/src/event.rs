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

/// The event of an id, with the name of its kind and its time in seconds; `None` or an error if the id
/// is unknown.
pub(crate) fn event_of(
    model: &Model,
    id: &JsValue,
    kind: Option<&JsValue>,
    time: Option<f64>,
    skip: bool,
) -> Result<Option<Event>> {
    let kind = kind.map(|name| kind_of(model, name)).transpose()?;
    let time = time.map(|seconds| seconds.floor() as i64);
    let item = index_of(&model.catalog(), id, skip)?;
    Ok(item.map(|item| (item, kind, time).into()))
}

/// What JavaScript tells of some events besides their ids.
#[derive(Default)]
pub(crate) struct Details {
    pub(crate) kinds: Option<Array>,
    pub(crate) times: Option<Vec<f64>>,
}

/// The same for some ids. The details have the kind and the time of each.
pub(crate) fn events_of(
    model: &Model,
    ids: &Array,
    details: &Details,
    skip: bool,
) -> Result<Vec<Option<Event>>> {
    let Details { kinds, times } = details;
    let expected = ids.length() as usize;
    check_length("kinds", kinds.as_ref().map(|kinds| kinds.length() as usize), expected)?;
    check_length("times", times.as_ref().map(Vec::len), expected)?;
    let event = |(index, id): (usize, JsValue)| {
        let kind = kinds.as_ref().map(|kinds| kinds.get(index as u32));
        let time = times.as_ref().map(|times| times[index]);
        event_of(model, &id, kind.as_ref(), time, skip)
    };
    ids.iter().enumerate().map(event).collect()
}

fn check_length(what: &str, found: Option<usize>, expected: usize) -> Result<()> {
    match found.filter(|&found| found != expected) {
        None => Ok(()),
        Some(found) => {
            Err(invalid(&format!("{what}: found {found}, expected {expected}, one for each item")))
        }
    }
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
