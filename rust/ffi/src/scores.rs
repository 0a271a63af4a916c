//! Functions on sessions: scores and recommendations.

use engine::{Filter, Groups, Quota, Scored};

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::{User, recgrela_session};
use crate::memory::{check_room, read, write_all};
use crate::session::{event_of, events_of};

/// A recommendation.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct recgrela_scored {
    /// The item.
    pub item: u32,
    /// Its score.
    pub score: f32,
}

/// Limits which items may be recommended. A NULL filter excludes seen items only.
#[repr(C)]
pub struct recgrela_filter {
    /// Exclude seen items, unless it is 0.
    pub exclude_seen: u8,
    /// Only these items; NULL is all items. The lists may be in any order.
    pub allow: *const u32,
    /// How many there are.
    pub allow_count: usize,
    /// Exclude these items.
    pub deny: *const u32,
    /// How many there are.
    pub deny_count: usize,
    /// At most this many items of one group; 0 is no limit. recgrela_model_set_groups sets the groups.
    pub max_per_group: usize,
}

/// # Safety
///
/// The pointers are null or valid for as long as the filter is used.
unsafe fn filter_of<'a>(
    filter: *const recgrela_filter,
    groups: Option<&'a Groups>,
) -> Result<Filter<'a>, Failure> {
    if filter.is_null() {
        return Ok(Filter::unseen());
    }
    // SAFETY: as promised.
    let filter = unsafe { &read(filter, 1, "filter")?[0] };
    // SAFETY: as promised.
    let deny = unsafe { read(filter.deny, filter.deny_count, "deny")? };
    let mut chosen = Filter::default().exclude_seen(filter.exclude_seen != 0).deny(deny);
    if filter.max_per_group > 0 {
        let groups = groups.ok_or_else(|| {
            Failure::argument(
                "max_per_group: found no groups, expected them: call recgrela_model_set_groups",
            )
        })?;
        chosen = chosen.quota(Quota { groups, limit: filter.max_per_group });
    }
    if filter.allow.is_null() && filter.allow_count == 0 {
        return Ok(chosen);
    }
    // SAFETY: as promised.
    Ok(chosen.allow(unsafe { read(filter.allow, filter.allow_count, "allow")? }))
}

/// Writes the scores of `count` items, in their order. These are the scores that top_k ranks by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_score(
    session: recgrela_session,
    items: *const u32,
    count: usize,
    scores: *mut f32,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let items = unsafe { read(items, count, "items")? };
        let found = session.with(|session| Ok(session.score(items)?))?;
        // SAFETY: as the caller promises.
        unsafe { write_all(scores, count, &found, &mut 0, "scores") }
    })
}

/// The best items that pass the filter, best first: `capacity` of them, or fewer if fewer are left.
/// `count` is their number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_top_k(
    session: recgrela_session,
    filter: *const recgrela_filter,
    best: *mut recgrela_scored,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        session.with_user(|User { session, ranking, loaded }| {
            let groups = loaded.groups();
            // SAFETY: as the caller promises.
            let filter = unsafe { filter_of(filter, groups.as_deref())? };
            session.top_k_into(capacity, &filter, ranking)?;
            // SAFETY: as the caller promises.
            unsafe { write_best(ranking.items(), best, capacity, count) }
        })
    })
}

/// Appends an event, then ranks like recgrela_session_top_k, in one call. `kind` and `time` are as in
/// recgrela_session_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_step(
    session: recgrela_session,
    item: u32,
    kind: *const u8,
    time: *const i64,
    filter: *const recgrela_filter,
    best: *mut recgrela_scored,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let event = unsafe { event_of(item, kind, time)? };
        session.with_user(|User { session, ranking, loaded }| {
            let groups = loaded.groups();
            // SAFETY: as the caller promises.
            let filter = unsafe { filter_of(filter, groups.as_deref())? };
            check_room(best, capacity, count, "best")?; // before the event is appended
            session.step(event, capacity, &filter, ranking)?;
            // SAFETY: as the caller promises.
            unsafe { write_best(ranking.items(), best, capacity, count) }
        })
    })
}

/// The result of top_k after `items_count` more events, without changing the session. `kinds` and
/// `times` are as in recgrela_session_extend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_session_peek(
    session: recgrela_session,
    items: *const u32,
    kinds: *const u8,
    times: *const i64,
    items_count: usize,
    filter: *const recgrela_filter,
    best: *mut recgrela_scored,
    capacity: usize,
    count: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let events = unsafe { events_of(items, kinds, times, items_count)? };
        let found = session.with_user(|User { session, loaded, .. }| {
            let groups = loaded.groups();
            // SAFETY: as the caller promises.
            let filter = unsafe { filter_of(filter, groups.as_deref())? };
            Ok(session.peek(&events, capacity, &filter)?)
        })?;
        // SAFETY: as the caller promises.
        unsafe { write_best(&found, best, capacity, count) }
    })
}

/// # Safety
///
/// The pointers are null or valid, `best` for `capacity` elements.
unsafe fn write_best(
    found: &[Scored],
    best: *mut recgrela_scored,
    capacity: usize,
    count: *mut usize,
) -> Result<(), Failure> {
    let found: Vec<_> =
        found.iter().map(|&Scored { item, score }| recgrela_scored { item, score }).collect();
    // SAFETY: as promised.
    unsafe { write_all(best, capacity, &found, count, "best") }
}
