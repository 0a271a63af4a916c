//! Conversions between JavaScript's values and the engine's: item ids, lists, bytes.

use js_sys::{Array, BigInt, Float32Array, Float64Array, JsString, Number, Uint8Array};
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
    pub(crate) fn shown(value: &JsValue) -> String;
}

/// An id from JavaScript.
enum Id {
    Int(i64),
    Str(String),
}

impl Id {
    fn as_item_id(&self) -> ItemId<'_> {
        match self {
            Self::Int(id) => ItemId::Int(*id),
            Self::Str(id) => ItemId::Str(id),
        }
    }
}

/// An id, `None` if no item can have it: a bigint beyond i64 or a text with a lone surrogate. A value
/// of another type is an error.
fn parse(id: &JsValue) -> Result<Option<Id>> {
    if let Some(number) = id.as_f64() {
        return match whole(number) {
            Some(number) => Ok(Some(Id::Int(number))),
            None => Err(invalid(&format!(
                "item id: found {}, expected a whole number up to 2^53 - 1, else a bigint",
                shown(id)
            ))),
        };
    }
    if let Some(text) = id.as_string() {
        // A lone surrogate became U+FFFD.
        let exact = !text.contains(char::REPLACEMENT_CHARACTER)
            || id.dyn_ref::<JsString>().is_some_and(JsString::is_valid_utf16);
        return Ok(exact.then_some(Id::Str(text)));
    }
    if id.is_bigint() {
        return Ok(i64::try_from(id.clone()).ok().map(Id::Int));
    }
    Err(invalid(&format!("item id: found {}, expected a number, bigint or string", shown(id))))
}

/// A number that represents exactly one integer.
fn whole(number: f64) -> Option<i64> {
    (number.trunc() == number && number.abs() <= Number::MAX_SAFE_INTEGER).then_some(number as i64)
}

/// The item index of an id, `None` if no item has it. A value of another type is an error.
pub(crate) fn find(catalog: &Catalog<'_>, id: &JsValue) -> Result<Option<u32>> {
    Ok(parse(id)?.and_then(|id| catalog.index_of(id.as_item_id())))
}

/// The item index of an id, which must be known.
pub(crate) fn known(catalog: &Catalog<'_>, id: &JsValue) -> Result<u32> {
    find(catalog, id)?.ok_or_else(|| {
        let hint = match (catalog.is_text(), id.is_string()) {
            (true, false) => "; its ids are strings",
            (false, true) => "; its ids are numbers",
            _ => "",
        };
        let (id, count) = (shown(id), catalog.len());
        let message = format!("item {id} is not among the model's {count} items{hint}");
        RecgrelaError::new("unknown-item", &message)
    })
}

/// The item index of an id; an unknown id is `None` or an error.
pub(crate) fn index_of(catalog: &Catalog<'_>, id: &JsValue, skip: bool) -> Result<Option<u32>> {
    if skip { find(catalog, id) } else { known(catalog, id).map(Some) }
}

/// The item indices of some ids; unknown ids are skipped or an error.
pub(crate) fn indices_of(catalog: &Catalog<'_>, ids: &Array, skip: bool) -> Result<Vec<u32>> {
    ids.iter().filter_map(|id| index_of(catalog, &id, skip).transpose()).collect()
}

/// Calls a function with ids that items may get.
pub(crate) fn with_new_ids<T>(ids: &Array, call: impl FnOnce(&[ItemId<'_>]) -> T) -> Result<T> {
    let new = |id: JsValue| {
        let message = || format!("item id: found {}, which no item can have", shown(&id));
        parse(&id)?.ok_or_else(|| invalid(&message()))
    };
    let ids: Vec<Id> = ids.iter().map(new).collect::<Result<_>>()?;
    Ok(call(&ids.iter().map(Id::as_item_id).collect::<Vec<_>>()))
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
pub(crate) fn to_js(id: ItemId<'_>) -> JsValue {
    match id {
        ItemId::Int(id) if is_exact(id) => JsValue::from_f64(id as f64),
        ItemId::Int(id) => BigInt::from(id).into(),
        ItemId::Str(id) => JsValue::from_str(id),
    }
}

/// A copy of bytes; an error if it cannot be allocated.
pub(crate) fn bytes_of(bytes: &Uint8Array) -> Result<Vec<u8>> {
    let mut copy = zeros(bytes.length())?;
    bytes.copy_to(&mut copy);
    Ok(copy)
}

/// Whole numbers; an error if a copy cannot be allocated.
pub(crate) fn integers_of(numbers: &Float64Array) -> Result<Vec<i64>> {
    let mut copy = zeros(numbers.length())?;
    numbers.copy_to(&mut copy);
    Ok(copy.into_iter().map(|number| number as i64).collect())
}

/// A copy of numbers; an error if it cannot be allocated.
pub(crate) fn numbers_of(numbers: &Float32Array) -> Result<Vec<f32>> {
    let mut copy = zeros(numbers.length())?;
    numbers.copy_to(&mut copy);
    Ok(copy)
}

fn zeros<T: Clone + Default>(length: u32) -> Result<Vec<T>> {
    let length = length as usize;
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(length).map_err(|_| {
        let bytes = length.saturating_mul(size_of::<T>());
        let message = format!("cannot allocate {bytes} bytes in this WebAssembly memory");
        RecgrelaError::new("out-of-memory", &message)
    })?;
    zeros.resize(length, T::default());
    Ok(zeros)
}
