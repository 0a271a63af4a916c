//! Functions on models.

use std::ffi::c_char;

use engine::{ItemId, Model};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_model;
use crate::memory::{read, text, write, write_text};

/// Size of a fingerprint in bytes, including the terminating zero.
pub const RECGRELA_FINGERPRINT_SIZE: usize = 65;

/// The version of this library, such as "0.1.0". Do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn recgrela_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Loads a model file into memory (UTF-8 path, zero-terminated).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_open(
    path: *const c_char,
    model: *mut recgrela_model,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let path = unsafe { text(path, "path")? };
        // SAFETY: as the caller promises.
        unsafe { hand_out(model, || Ok(Model::open(path)?)) }
    })
}

/// Memory-maps a model file (UTF-8 path, zero-terminated): large files load in milliseconds, and
/// processes share their pages. The file must not be written to or truncated while the model is in
/// use. To replace it, rename another file over it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_open_mmap(
    path: *const c_char,
    model: *mut recgrela_model,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let path = unsafe { text(path, "path")? };
        // SAFETY: as the caller promises.
        unsafe { hand_out(model, || Ok(Model::open_mmap(path)?)) }
    })
}

/// Loads a model from `size` bytes, such as an asset of an app. They are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_from_bytes(
    bytes: *const u8,
    size: usize,
    model: *mut recgrela_model,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { read(bytes, size, "bytes")? };
        // SAFETY: as the caller promises.
        unsafe { hand_out(model, || Ok(Model::from_bytes(bytes.to_vec())?)) }
    })
}

/// # Safety
///
/// `to` is null or valid.
unsafe fn hand_out(
    to: *mut recgrela_model,
    load: impl FnOnce() -> Result<Model, Failure>,
) -> Result<(), Failure> {
    // Write once first, so that a bad pointer cannot leave a model without a handle.
    // SAFETY: as promised.
    unsafe { write(to, recgrela_model { id: 0 }, "model")? };
    let model = recgrela_model::new(load()?);
    // SAFETY: as promised.
    unsafe { write(to, model, "model") }
}

/// Frees a model; its memory is released once the last session on it is freed too. Does nothing for
/// `{0}`. A handle that was freed before is RECGRELA_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_free(
    model: recgrela_model,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || model.free())
}

/// Verifies the fingerprint, and that the file's self-test yields the scores of its export. It reads
/// the whole file, about 1 ms per megabyte. Call it once, after a download.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_verify(
    model: recgrela_model,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        model.get()?.verify()?;
        Ok(())
    })
}

/// The number of items, with those that an overlay adds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_num_items(
    model: recgrela_model,
    num_items: *mut u32,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { write(num_items, model.get()?.catalog().len() as u32, "num_items") })
}

/// Whether the item ids are strings; otherwise they are numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_has_text_ids(
    model: recgrela_model,
    has_text_ids: *mut bool,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe {
        write(has_text_ids, model.get()?.catalog().is_text(), "has_text_ids")
    })
}

/// Whether a session answers before its first event, from a start vector that the model learned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_has_start(
    model: recgrela_model,
    has_start: *mut bool,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { write(has_start, model.get()?.config().start, "has_start") })
}

/// The fingerprint of a model's weights and items: 64 hex digits and a zero. A snapshot belongs to
/// one model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_fingerprint(
    model: recgrela_model,
    hex: *mut c_char,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        let text = model.get()?.fingerprint().to_string();
        let mut size = 0;
        // SAFETY: as the caller promises.
        unsafe { write_text(hex, RECGRELA_FINGERPRINT_SIZE, text, &mut size, "hex") }
    })
}

/// The item with an id, in a model whose ids are numbers. For an unknown id the status is
/// RECGRELA_STATUS_UNKNOWN_ITEM, and the index is one that no item has.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_index_of_int(
    model: recgrela_model,
    id: i64,
    item: *mut u32,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        unsafe {
            write(item, NO_ITEM, "item")?;
            write(item, index_of(&*model.get()?, ItemId::Int(id))?, "item")
        }
    })
}

/// The item with an id (UTF-8, zero-terminated), in a model whose ids are strings. For an unknown id
/// the status is RECGRELA_STATUS_UNKNOWN_ITEM, and the index is one that no item has.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_index_of_text(
    model: recgrela_model,
    id: *const c_char,
    item: *mut u32,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        unsafe {
            write(item, NO_ITEM, "item")?;
            write(item, index_of(&*model.get()?, ItemId::Str(text(id, "id")?))?, "item")
        }
    })
}

/// The index after a failure, so that a program that does not check the status gets an error from
/// what it does with it, and not an event of another item.
const NO_ITEM: u32 = u32::MAX;

fn index_of(model: &Model, id: ItemId<'_>) -> Result<u32, Failure> {
    let catalog = model.catalog();
    catalog.index_of(id).ok_or_else(|| {
        let (found, hint) = match (id, catalog.is_text()) {
            (ItemId::Int(id), true) => (id.to_string(), "; its ids are texts"),
            (ItemId::Int(id), false) => (id.to_string(), ""),
            (ItemId::Str(id), true) => (format!("{id:?}"), ""),
            (ItemId::Str(id), false) => (format!("{id:?}"), "; its ids are numbers"),
        };
        let count = catalog.len();
        Failure::new(
            recgrela_status::UnknownItem,
            format!("item {found} is not among the model's {count} items{hint}"),
        )
    })
}

/// The id of an item, in a model whose ids are numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_int_id(
    model: recgrela_model,
    item: u32,
    id: *mut i64,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || match id_of(&*model.get()?, item)? {
        // SAFETY: as the caller promises.
        OwnedId::Int(number) => unsafe { write(id, number, "id") },
        OwnedId::Text(_) => Err(Failure::argument("the model's ids are texts, expected numbers")),
    })
}

/// The id of an item, in a model whose ids are strings: UTF-8 and a terminating zero, which `size`
/// includes. If `capacity` is too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `size` is the
/// required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_text_id(
    model: recgrela_model,
    item: u32,
    id: *mut c_char,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || match id_of(&*model.get()?, item)? {
        // SAFETY: as the caller promises.
        OwnedId::Text(text) => unsafe { write_text(id, capacity, text, size, "id") },
        OwnedId::Int(_) => Err(Failure::argument("the model's ids are numbers, expected texts")),
    })
}

enum OwnedId {
    Int(i64),
    Text(String),
}

fn id_of(model: &Model, item: u32) -> Result<OwnedId, Failure> {
    let catalog = model.catalog();
    match catalog.id(item) {
        Some(ItemId::Int(number)) => Ok(OwnedId::Int(number)),
        Some(ItemId::Str(text)) => Ok(OwnedId::Text(text.to_owned())),
        None => Err(Failure::new(
            recgrela_status::UnknownItem,
            format!("item index: found {item}, expected less than {}", catalog.len()),
        )),
    }
}
