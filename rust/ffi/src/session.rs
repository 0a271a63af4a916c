//! Functions on sessions: creation and events.

use std::sync::Arc;

use engine::{Event, Kind, Session};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::{Loaded, User, recgrela_model, recgrela_session};
use crate::memory::{read, write, write_all};

/// A new session without history.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_new(
    model: recgrela_model,
    session: *mut recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe {
        hand_out(session, || {
            let loaded = model.loaded()?;
            Ok((Session::new(Arc::clone(&loaded.model)), loaded))
        })
    })
}

/// An independent copy of a session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_clone(
    session: recgrela_session,
    clone: *mut recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe {
        hand_out(clone, || {
            session
                .with_user(|User { session, loaded, .. }| Ok((session.clone(), Arc::clone(loaded))))
        })
    })
}

/// # Safety
///
/// `to` is null or valid.
pub(crate) unsafe fn hand_out(
    to: *mut recgrela_session,
    make: impl FnOnce() -> Result<(Session, Arc<Loaded>), Failure>,
) -> Result<(), Failure> {
    // Write once first, so that a bad pointer cannot leave a session without a handle.
    // SAFETY: as promised.
    unsafe { write(to, recgrela_session { id: 0 }, "session")? };
    let (session, loaded) = make()?;
    let session = recgrela_session::new(session, loaded);
    // SAFETY: as promised.
    unsafe { write(to, session, "session") }
}

/// Frees a session. Does nothing for `{0}`. A handle that was freed before is
/// RECGRELA_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_free(
    session: recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || session.free())
}

/// Appends an event. `kind` points to its kind, which recgrela_model_kind finds by name, and is NULL if
/// the model has no kinds. `time` points to its time in whole seconds, and is NULL unless the model uses
/// times (recgrela_model_uses_times).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_append(
    session: recgrela_session,
    item: u32,
    kind: *const u8,
    time: *const i64,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let event = unsafe { event_of(item, kind, time)? };
        session.with(|session| Ok(session.append(event)?))
    })
}

/// Appends events, oldest first; on an error, none of them. `kinds` and `times` have the kind and the
/// time of each. `kinds` is NULL if the model has no kinds, `times` unless it uses times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_extend(
    session: recgrela_session,
    items: *const u32,
    kinds: *const u8,
    times: *const i64,
    count: usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let events = unsafe { events_of(items, kinds, times, count)? };
        session.with(|session| Ok(session.extend(&events)?))
    })
}

/// Forgets all events. The settings of keep_undo and keep_log stay.
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

/// The distinct items of the history, ascending, and their number. If `capacity` is too small, the status is
/// RECGRELA_STATUS_BUFFER_TOO_SMALL and `count` is the required capacity.
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

/// Size of a session in bytes: a fixed part, and 4 for each distinct item.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_state_bytes(
    session: recgrela_session,
    bytes: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    unsafe { tell(session, bytes, "bytes", error, Session::state_bytes) }
}

/// Writes a number that is read from a session.
///
/// # Safety
///
/// The pointers are null or valid.
pub(crate) unsafe fn tell<T>(
    session: recgrela_session,
    to: *mut T,
    what: &str,
    error: *mut recgrela_error,
    number: fn(&Session) -> T,
) -> recgrela_status {
    guard(error, || {
        let found = session.with(|session| Ok(number(session)))?;
        // SAFETY: as promised.
        unsafe { write(to, found, what) }
    })
}

/// The event of an item, whose kind and time are null if it has none.
///
/// # Safety
///
/// The pointers are null or valid.
pub(crate) unsafe fn event_of(
    item: u32,
    kind: *const u8,
    time: *const i64,
) -> Result<Event, Failure> {
    // SAFETY: as promised.
    let (kind, time) = unsafe { (read_each(kind, 1, "kind")?, read_each(time, 1, "time")?) };
    Ok(event(item, kind, time, 0))
}

/// The events of `count` items. `kinds` and `times` are null for events without.
///
/// # Safety
///
/// The pointers are null or valid for `count` elements, which do not change meanwhile.
pub(crate) unsafe fn events_of(
    items: *const u32,
    kinds: *const u8,
    times: *const i64,
    count: usize,
) -> Result<Vec<Event>, Failure> {
    // SAFETY: as promised.
    let (items, kinds, times) = unsafe {
        let items = read(items, count, "items")?;
        (items, read_each(kinds, count, "kinds")?, read_each(times, count, "times")?)
    };
    Ok(items.iter().enumerate().map(|(i, &item)| event(item, kinds, times, i)).collect())
}

/// A list with something for each event, unless it is null.
///
/// # Safety
///
/// As for [`read`].
unsafe fn read_each<'a, T>(
    list: *const T,
    count: usize,
    what: &str,
) -> Result<Option<&'a [T]>, Failure> {
    // SAFETY: as promised.
    if list.is_null() { Ok(None) } else { unsafe { read(list, count, what).map(Some) } }
}

fn event(item: u32, kinds: Option<&[u8]>, times: Option<&[i64]>, index: usize) -> Event {
    let kind = kinds.map(|kinds| Kind::new(kinds[index]));
    (item, kind, times.map(|times| times[index])).into()
}
