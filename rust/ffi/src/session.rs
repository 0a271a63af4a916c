//! Functions on sessions: making them, and what they take in.

use engine::Session;

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::{recgrela_model, recgrela_session};
use crate::memory::{read, write, write_all};

/// A session without history.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_new(
    model: recgrela_model,
    session: *mut recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { hand_out(session, || Ok(Session::new(model.get()?))) })
}

/// A session of its own that is where this one is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_clone(
    session: recgrela_session,
    clone: *mut recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { hand_out(clone, || session.with(|session| Ok(session.clone()))) })
}

/// # Safety
///
/// `to` is null or valid.
unsafe fn hand_out(
    to: *mut recgrela_session,
    make: impl FnOnce() -> Result<Session, Failure>,
) -> Result<(), Failure> {
    // Tried first, so that no session is left without a handle.
    // SAFETY: as promised.
    unsafe { write(to, recgrela_session { id: 0 }, "session")? };
    let session = recgrela_session::new(make()?);
    // SAFETY: as promised.
    unsafe { write(to, session, "session") }
}

/// Gives up a session. Without effect on `{0}`; a handle that was freed before is
/// RECGRELA_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_free(
    session: recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.free())
}

/// Appends an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_append(
    session: recgrela_session,
    item: u32,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.with(|session| Ok(session.append(item)?)))
}

/// Appends events, the oldest first. On an error none of them is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_extend(
    session: recgrela_session,
    items: *const u32,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let items = unsafe { read(items, count, "items")? };
        session.with(|session| Ok(session.extend(items)?))
    })
}

/// As if nothing had happened: an empty history, with the settings of keep_undo and keep_log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_reset(
    session: recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        session.with(|session| {
            session.reset();
            Ok(())
        })
    })
}

/// The number of events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_events(
    session: recgrela_session,
    events: *mut u64,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, events, "events", error, Session::events) }
}

/// The distinct items of the history, ascending, and their number. With a `capacity` that is too
/// small it is RECGRELA_STATUS_BUFFER_TOO_SMALL, and `count` is what it takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_seen(
    session: recgrela_session,
    items: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        session
            .with(|session| unsafe { write_all(items, capacity, session.seen(), count, "items") })
    })
}

/// The bytes that a session's history takes: fixed, and 4 for each distinct item.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_state_bytes(
    session: recgrela_session,
    bytes: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, bytes, "bytes", error, Session::state_bytes) }
}

/// Writes a number that a session gives.
///
/// # Safety
///
/// The pointers are null or valid.
pub(crate) unsafe fn tell<T>(
    session: recgrela_session,
    to: *mut T,
    what: &str,
    error: *mut recgrela_error,
    number: impl FnOnce(&Session) -> T,
) -> recgrela_status {
    guard(error, || {
        let found = session.with(|session| Ok(number(session)))?;
        // SAFETY: as promised.
        unsafe { write(to, found, what) }
    })
}
