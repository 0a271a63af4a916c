//! Functions on sessions: snapshots, undo and forgetting.

use engine::{Precision, Session};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_session;
use crate::memory::{read, write_all};
use crate::session::tell;

/// The session as bytes, for recgrela_session_restore on the same model, and their number. If
/// `capacity` is too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `size` is the required
/// capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_snapshot(
    session: recgrela_session,
    bytes: *mut u8,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { snapshot(session, Precision::F32, bytes, capacity, size) })
}

/// The same with the state in half precision, which takes half the bytes of the state. A session that is
/// restored from them has the same scores until its next event; after it, tests found errors below a
/// thousandth of the largest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_snapshot_f16(
    session: recgrela_session,
    bytes: *mut u8,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { snapshot(session, Precision::F16, bytes, capacity, size) })
}

/// # Safety
///
/// The pointers are null or valid, `bytes` for `capacity` bytes.
unsafe fn snapshot(
    session: recgrela_session,
    precision: Precision,
    bytes: *mut u8,
    capacity: usize,
    size: *mut usize,
) -> Result<(), Failure> {
    let snapshot = session.with(|session| Ok(session.snapshot_with(precision)))?;
    // SAFETY: as promised.
    unsafe { write_all(bytes, capacity, &snapshot, size, "bytes") }
}

/// Restores the session from a snapshot of either precision. A snapshot that is damaged or of another model is
/// RECGRELA_STATUS_SNAPSHOT and leaves the session unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_restore(
    session: recgrela_session,
    bytes: *const u8,
    size: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let snapshot = unsafe { read(bytes, size, "bytes")? };
        session.with(|session| Ok(session.restore(snapshot)?))
    })
}

/// Keeps the last `depth` events undoable from now on, at the cost of one copy of the state each
/// (recgrela_session_undo_bytes). 0 keeps none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_keep_undo(
    session: recgrela_session,
    depth: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.with(|session| Ok(session.set_undo_depth(depth)?)))
}

/// Undoes the last `count` events, exactly. RECGRELA_STATUS_UNDO if fewer are undoable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_undo(
    session: recgrela_session,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.with(|session| Ok(session.undo(count)?)))
}

/// The number of events that can be undone now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_undoable(
    session: recgrela_session,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, count, "count", error, Session::undoable) }
}

/// The bytes that keep_undo allocated; recgrela_session_state_bytes does not include them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_undo_bytes(
    session: recgrela_session,
    bytes: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, bytes, "bytes", error, Session::undo_bytes) }
}

/// Keeps a log of the last `capacity` events, 4 bytes each, 1 more with kinds and 8 more with times, for
/// forgetting, reasons and migrating. Call it before the first event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_keep_log(
    session: recgrela_session,
    capacity: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        session.with(|session| {
            session.set_log_capacity(capacity);
            Ok(())
        })
    })
}

/// Forgets items, exactly, by replaying all other events from the log. RECGRELA_STATUS_LOG if the
/// log does not have every event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_forget(
    session: recgrela_session,
    items: *const u32,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let items = unsafe { read(items, count, "items")? };
        session.with(|session| Ok(session.forget(items)?))
    })
}
