//! Conversions between JavaScript's values and the engine's: item ids, lists, bytes.

use js_sys::{Array, BigInt, JsString, Number, Uint8Array};
use recgrela::{Catalog, ItemId, Scored};
use wasm_bindgen::prelude::*;

use crate::error::{RecgrelaError, Result, invalid};

#[wasm_bindgen(raw_module = "./shared.js")]
extern "C" {
    /// Adds the object `{ item, score }` to an array.
    fn recommend(best: &Array, item: JsValue, score: f32);

    /// The same for a numeric id, passed without allocating an object.
    #[wasm_bindgen(js_name = recommend)]
    fn recommend_number(best: &Array, item: f64, score: f32);

    /// A value for an error message, shortened to one line.
    fn shown(value: &JsValue) -> String;
}

/// The item index of an id, `None` if no item has it. A value of another type is an error.
pub(crate) fn find(catalog: &Catalog<'_>, id: &JsValue) -> Result<Option<u32>> {
    if let Some(number) = id.as_f64() {
        return match whole(number) {
            Some(number) => Ok(catalog.index_of(number)),
            None => Err(invalid(&format!(
                "item id: found {}, expected a whole number up to 2^53 - 1, else a bigint",
                shown(id)
            ))),
        };
    }
    if let Some(text) = id.as_string() {
        // A lone surrogate became U+FFFD, so no item has it.
        let exact = !text.contains(char::REPLACEMENT_CHARACTER)
            || id.dyn_ref::<JsString>().is_some_and(JsString::is_valid_utf16);
        return Ok(if exact { catalog.index_of(text.as_str()) } else { None });
    }
    if id.is_bigint() {
        return Ok(i64::try_from(id.clone()).ok().and_then(|number| catalog.index_of(number)));
    }
    Err(invalid(&format!("item id: found {}, expected a number, bigint or string", shown(id))))
}

/// A number that represents exactly one integer.
fn whole(number: f64) -> Option<i64> {
    (number.trunc() == number && number.abs() <= Number::MAX_SAFE_INTEGER).then_some(number as i64)
}

/// The item index of an id; an unknown id is `None` or an error.
pub(crate) fn index_of(catalog: &Catalog<'_>, id: &JsValue, skip: bool) -> Result<Option<u32>> {
    let index = find(catalog, id)?;
    if index.is_some() || skip {
        return Ok(index);
    }
    let hint = match (catalog.is_text(), id.is_string()) {
        (true, false) => "; its ids are strings",
        (false, true) => "; its ids are numbers",
        _ => "",
    };
    let (id, count) = (shown(id), catalog.len());
    let message = format!("item {id} is not among the model's {count} items{hint}");
    Err(RecgrelaError::new("unknown-item", &message))
}

/// The item indices of some ids; unknown ids are skipped or an error.
pub(crate) fn indices_of(catalog: &Catalog<'_>, ids: &Array, skip: bool) -> Result<Vec<u32>> {
    ids.iter().filter_map(|id| index_of(catalog, &id, skip).transpose()).collect()
}

/// The ids of some items, as an array.
pub(crate) fn ids_of(catalog: &Catalog<'_>, items: impl IntoIterator<Item = u32>) -> Array {
    items.into_iter().filter_map(|item| catalog.id(item)).map(to_js).collect()
}

/// Recommendations as an array of objects.
pub(crate) fn recommendations(catalog: &Catalog<'_>, best: &[Scored]) -> Array {
    let array = Array::new();
    for &Scored { item, score } in best {
        match catalog.id(item) {
            Some(ItemId::Int(id)) if is_exact(id) => recommend_number(&array, id as f64, score),
            Some(id) => recommend(&array, to_js(id), score),
            None => {}
        }
    }
    array
}

/// Whether a JavaScript number represents exactly this integer.
fn is_exact(id: i64) -> bool {
    whole(id as f64) == Some(id)
}

/// An id; a bigint if a number would not be exact.
fn to_js(id: ItemId<'_>) -> JsValue {
    match id {
        ItemId::Int(id) if is_exact(id) => JsValue::from_f64(id as f64),
        ItemId::Int(id) => BigInt::from(id).into(),
        ItemId::Str(id) => JsValue::from_str(id),
    }
}

/// A copy of bytes; an error if it cannot be allocated.
pub(crate) fn bytes_of(bytes: &Uint8Array) -> Result<Vec<u8>> {
    let length = bytes.length() as usize;
    let mut copy = Vec::new();
    copy.try_reserve_exact(length).map_err(|_| {
        let message = format!("cannot allocate {length} bytes in this WebAssembly memory");
        RecgrelaError::new("out-of-memory", &message)
    })?;
    copy.resize(length, 0);
    bytes.copy_to(&mut copy);
    Ok(copy)
}
