//! Functions on the catalogue of a model: changes to it, which are an overlay, and groups of items.

use std::ffi::c_char;

use engine::{Groups, ItemId, Overlay};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_model;
use crate::memory::{read, text, write_all};

/// Adds items with their vectors, in a model whose ids are numbers: `vectors_count` numbers, D for each
/// id. If an id exists, its vector is replaced. Retired items are reinstated. All sessions of the model
/// see a change from their next call on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_add_int_items(
    model: recgrela_model,
    ids: *const i64,
    count: usize,
    vectors: *const f32,
    vectors_count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let ids = unsafe { read(ids, count, "ids")? };
        let ids: Vec<_> = ids.iter().map(|&id| ItemId::Int(id)).collect();
        // SAFETY: as the caller promises.
        unsafe { add_items(model, &ids, vectors, vectors_count) }
    })
}

/// The same in a model whose ids are strings (UTF-8, zero-terminated).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_add_text_items(
    model: recgrela_model,
    ids: *const *const c_char,
    count: usize,
    vectors: *const f32,
    vectors_count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let ids = unsafe { read(ids, count, "ids")? };
        // SAFETY: as the caller promises.
        let id = |&id: &*const c_char| Ok(ItemId::Str(unsafe { text(id, "id")? }));
        let ids: Vec<_> = ids.iter().map(id).collect::<Result<_, Failure>>()?;
        // SAFETY: as the caller promises.
        unsafe { add_items(model, &ids, vectors, vectors_count) }
    })
}

/// # Safety
///
/// `vectors` is null or valid for `count` numbers.
unsafe fn add_items(
    model: recgrela_model,
    ids: &[ItemId<'_>],
    vectors: *const f32,
    count: usize,
) -> Result<(), Failure> {
    // SAFETY: as promised.
    let vectors = unsafe { read(vectors, count, "vectors")? };
    let add = |overlay: &mut Overlay| overlay.add(ids, vectors);
    model.get()?.update_overlay(add).map_err(Failure::of_overlay)?;
    Ok(())
}

/// Retires items: they are no longer recommended. Histories may still contain them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_retire(
    model: recgrela_model,
    items: *const u32,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { change(model, items, count, Overlay::retire) })
}

/// Reinstates retired items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_reinstate(
    model: recgrela_model,
    items: *const u32,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { change(model, items, count, Overlay::reinstate) })
}

/// # Safety
///
/// `items` is null or valid for `count` indices.
unsafe fn change(
    model: recgrela_model,
    items: *const u32,
    count: usize,
    change: fn(&mut Overlay, &[u32]) -> engine::Result<()>,
) -> Result<(), Failure> {
    // SAFETY: as promised.
    let items = unsafe { read(items, count, "items")? };
    Ok(model.get()?.update_overlay(|overlay| change(overlay, items))?)
}

/// The retired items, ascending, and their number. If `capacity` is too small, the status is
/// RECGRELA_STATUS_BUFFER_TOO_SMALL and `count` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_retired(
    model: recgrela_model,
    items: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { list(model, Overlay::retired, items, capacity, count) })
}

/// The same for the model's own items whose vector was replaced. Those from num_items of recgrela_config on
/// were added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_replaced(
    model: recgrela_model,
    items: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { list(model, Overlay::replaced, items, capacity, count) })
}

/// # Safety
///
/// The pointers are null or valid, `items` for `capacity` indices.
unsafe fn list(
    model: recgrela_model,
    which: fn(&Overlay) -> &[u32],
    items: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> Result<(), Failure> {
    let overlay = model.get()?.overlay();
    let found = overlay.as_deref().map_or(&[][..], which);
    // SAFETY: as promised.
    unsafe { write_all(items, capacity, found, count, "items") }
}

/// All changes of the catalogue as the bytes of an overlay file, and their number. If `capacity` is too
/// small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `size` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_overlay(
    model: recgrela_model,
    bytes: *mut u8,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        let found = model.get()?.overlay_bytes();
        // SAFETY: as the caller promises.
        unsafe { write_all(bytes, capacity, &found, size, "bytes") }
    })
}

/// Replaces all changes of the catalogue by those of an overlay file. It must be of this model, and have
/// the items that were added here, which sessions may have seen: otherwise the status is
/// RECGRELA_STATUS_OVERLAY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_set_overlay(
    model: recgrela_model,
    bytes: *const u8,
    size: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { read(bytes, size, "bytes")? };
        let model = model.get()?;
        let overlay = Overlay::from_bytes(&model, bytes).map_err(Failure::of_overlay)?;
        model.set_overlay(overlay).map_err(Failure::of_overlay)
    })
}

/// Sets the group of each item by its index, such as its category, for `max_per_group` of a filter on any
/// session of the model. Groups are any integers. Added items without a group are one group together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_set_groups(
    model: recgrela_model,
    groups: *const i64,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let groups = unsafe { read(groups, count, "groups")? };
        let loaded = model.loaded()?;
        loaded.set_groups(Groups::new(&loaded.model, groups)?);
        Ok(())
    })
}
