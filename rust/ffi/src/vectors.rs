//! Functions on vectors: of the user, and of items.

use crate::error::{guard, recgrela_error, recgrela_status};
use crate::handles::{recgrela_model, recgrela_session};
use crate::memory::{read, write_all};

/// The hidden vector after the last event, D numbers: a score is its dot product with the vector of an item.
/// Before the first event it is the model's start vector, or RECGRELA_STATUS_NO_EVENTS. If `capacity` is
/// too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `count` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_user_vector(
    session: recgrela_session,
    vector: *mut f32,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        session.with(|session| {
            // SAFETY: as the caller promises.
            unsafe { write_all(vector, capacity, session.user_vector()?, count, "vector") }
        })
    })
}

/// The vectors of `count` items, D numbers for each, as recgrela_model_add_int_items takes them. If
/// `capacity` is too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `vectors_count` is the required
/// capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_item_vectors(
    model: recgrela_model,
    items: *const u32,
    count: usize,
    vectors: *mut f32,
    capacity: usize,
    vectors_count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let items = unsafe { read(items, count, "items")? };
        let found = model.get()?.item_vectors(items)?;
        // SAFETY: as the caller promises.
        unsafe { write_all(vectors, capacity, &found, vectors_count, "vectors") }
    })
}
