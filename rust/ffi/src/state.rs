//! Functions on sessions: keeping, restoring and taking back.

use engine::Session;

use crate::error::{guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_session;
use crate::memory::{read, write_all};
use crate::session::tell;

/// The session as bytes, for recgrela_session_restore with the same model, and their number. With
/// a `capacity` that is too small it is RECGRELA_STATUS_BUFFER_TOO_SMALL, and `size` is what it takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_snapshot(
    session: recgrela_session,
    bytes: *mut u8,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        let snapshot = session.with(|session| Ok(session.snapshot()))?;
        // SAFETY: as the caller promises.
        unsafe { write_all(bytes, capacity, &snapshot, size, "bytes") }
    })
}

/// Puts the session where it was when the snapshot was taken, exactly. A damaged one, or one of
/// another model, is RECGRELA_STATUS_SNAPSHOT and leaves the session as it is.
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

/// From here on, up to `depth` events can be taken back, for the memory of a state each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_keep_undo(
    session: recgrela_session,
    depth: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.with(|session| Ok(session.set_undo_depth(depth)?)))
}

/// Takes the last `count` events back, exactly. RECGRELA_STATUS_UNDO if so many are not kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_undo(
    session: recgrela_session,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.with(|session| Ok(session.undo(count)?)))
}

/// How many events can be taken back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_undoable(
    session: recgrela_session,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, count, "count", error, Session::undoable) }
}

/// Keeps the last `capacity` events, 4 bytes each, which forgetting needs. To be called before the
/// first event.
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

/// Leaves every event of these items out of the history, as if it had never been. It replays the
/// log, so RECGRELA_STATUS_LOG where that does not hold every event.
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
