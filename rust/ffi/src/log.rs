//! Functions on sessions: the log of events, what is replayed from it, and reasons.

use std::sync::Arc;

use engine::{Kind, Reason, Session};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::{recgrela_model, recgrela_session};
use crate::memory::{check_room, read, write_all};
use crate::session::{events_of, hand_out};

/// In a log to migrate: an item that the new model does not have.
pub const RECGRELA_NO_ITEM: u32 = 0xFFFF_FFFF;

/// An event, and by how much an item's score falls without it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct recgrela_reason {
    /// The position in the history; the oldest event has 0.
    pub position: u64,
    /// The item of the event.
    pub item: u32,
    /// Exact: the score after all events minus that of a session that never had this one.
    pub drop: f32,
    /// The kind of event; 0 if the model has no kinds.
    pub kind: u8,
}

/// The items of the events in the log, oldest first, their kinds and times, and their number. `kinds` and
/// `times` may be NULL, and must be NULL if recgrela_session_extend needs NULL. If `capacity` is too small, the
/// status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `count` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_log(
    session: recgrela_session,
    items: *mut u32,
    kinds: *mut u8,
    times: *mut i64,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    let write = |session: &mut Session| {
        let config = session.model().config();
        if !kinds.is_null() {
            if config.kinds.is_empty() {
                let message = "kinds: found an array, expected NULL: the model has no kinds";
                return Err(Failure::argument(message));
            }
            let found: Vec<_> = session.log_kinds().map(Kind::index).collect();
            // SAFETY: as the caller promises.
            unsafe { write_all(kinds, capacity, &found, count, "kinds")? };
        }
        if !times.is_null() {
            if !config.gaps {
                let message = "times: found an array, expected NULL: the model does not use times";
                return Err(Failure::argument(message));
            }
            let found: Vec<_> = session.log_times().collect();
            // SAFETY: as the caller promises.
            unsafe { write_all(times, capacity, &found, count, "times")? };
        }
        let found: Vec<_> = session.log().collect();
        // SAFETY: as the caller promises.
        unsafe { write_all(items, capacity, &found, count, "items") }
    };
    guard(error, || session.with(write))
}

/// A new session on this model with the history of a snapshot of another model, such as the one before
/// retraining. `items` are all its events, oldest first, by the indices of this model, and
/// RECGRELA_NO_ITEM where it lacks the item: such events are skipped. `kinds` and `times` are
/// as in recgrela_session_extend. A log that does not match the snapshot is RECGRELA_STATUS_LOG.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_migrate(
    model: recgrela_model,
    bytes: *const u8,
    size: usize,
    items: *const u32,
    kinds: *const u8,
    times: *const i64,
    count: usize,
    session: *mut recgrela_session,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let (snapshot, events) =
            unsafe { (read(bytes, size, "bytes")?, events_of(items, kinds, times, count)?) };
        let known = |event: engine::Event| (event.item != RECGRELA_NO_ITEM).then_some(event);
        let log: Vec<_> = events.into_iter().map(known).collect();
        let migrate = || {
            let loaded = model.loaded()?;
            Ok((Session::migrate(Arc::clone(&loaded.model), snapshot, &log)?, loaded))
        };
        // SAFETY: as the caller promises.
        unsafe { hand_out(session, migrate) }
    })
}

/// The events without which an item's score falls most, largest drop first: `capacity` of them, or
/// fewer if fewer raise the score. `count` is their number. Replays the log once for each event that is
/// examined; of more than 256 events, blocks are examined first, and then the events of the best
/// blocks. RECGRELA_STATUS_LOG if the log does not have every event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_why(
    session: recgrela_session,
    item: u32,
    reasons: *mut recgrela_reason,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        check_room(reasons, capacity, count, "reasons")?; // before the log is replayed
        let found = session.with(|session| Ok(session.why(item, capacity)?))?;
        let found: Vec<_> = found.iter().map(as_reason).collect();
        // SAFETY: as the caller promises.
        unsafe { write_all(reasons, capacity, &found, count, "reasons") }
    })
}

fn as_reason(reason: &Reason) -> recgrela_reason {
    recgrela_reason {
        position: reason.position as u64,
        item: reason.event.item,
        drop: reason.drop,
        kind: reason.event.kind.map_or(0, Kind::index),
    }
}
