//! One user in a segment.

use super::layout::{Kind, refuse};
use super::source::Body;
use crate::Result;
use crate::fleet::record::Record;
use crate::fleet::{OwnedUserId, UserId};

impl Kind {
    pub(super) fn of(user: UserId<'_>) -> Self {
        match user {
            UserId::Int(_) => Self::Int,
            UserId::Str(_) => Self::Str,
        }
    }
}

pub(super) fn write_id(user: UserId<'_>, to: &mut Vec<u8>) {
    match user {
        UserId::Int(id) => to.extend(id.to_le_bytes()),
        UserId::Str(id) => {
            to.extend((id.len() as u64).to_le_bytes());
            to.extend(id.as_bytes());
        }
    }
}

/// `times` is whether the model uses times.
pub(super) fn write_user(
    user: UserId<'_>,
    record: &Record,
    state: &[f32],
    times: bool,
    to: &mut Vec<u8>,
) {
    write_id(user, to);
    to.extend(record.events.to_le_bytes());
    to.extend((record.seen.len() as u64).to_le_bytes());
    to.extend((record.log.len() as u64).to_le_bytes());
    if times {
        to.extend(record.last_time.to_le_bytes());
    }
    // The crate supports little-endian targets only.
    to.extend_from_slice(bytemuck::cast_slice(state));
    to.extend_from_slice(bytemuck::cast_slice(&record.seen));
    let (older, newer) = record.log.items.as_slices();
    to.extend_from_slice(bytemuck::cast_slice(older));
    to.extend_from_slice(bytemuck::cast_slice(newer));
    to.extend(record.log.times.iter().flat_map(|time| time.to_le_bytes()));
    to.extend(&record.log.kinds);
}

pub(super) fn read_id(body: &mut Body<'_, '_>, kind: Kind) -> Result<OwnedUserId> {
    let word = body.word()?;
    if kind != Kind::Str {
        return Ok(OwnedUserId::Int(word as i64));
    }
    let mut bytes = Vec::new();
    body.read_into(&mut bytes, word)?;
    match String::from_utf8(bytes) {
        Ok(id) => Ok(OwnedUserId::Str(id.into())),
        Err(_) => refuse("a user id that is not UTF-8", "a string"),
    }
}

/// What the users of a segment can have.
pub(super) struct Limits {
    /// The number of the model's items, with added ones.
    pub(super) num_items: usize,
    /// The number of the model's kinds.
    pub(super) num_kinds: usize,
    /// Whether the model uses times.
    pub(super) times: bool,
    pub(super) log_capacity: u64,
}

/// Reads what follows the id.
pub(super) fn read_user(
    body: &mut Body<'_, '_>,
    user: UserId<'_>,
    limits: &Limits,
    state: &mut [f32],
) -> Result<Record> {
    let &Limits { num_items, num_kinds, log_capacity, .. } = limits;
    let (events, distinct, logged) = (body.word()?, body.word()?, body.word()?);
    let last_time = if limits.times { body.word()?.cast_signed() } else { 0 };
    let most = events.min(num_items as u64);
    if !(1..=most).contains(&distinct) {
        return refuse(format!("{distinct} distinct items of user {user}"), format!("1 to {most}"));
    }
    let most = events.min(log_capacity);
    if logged > most {
        let expected = format!("at most {most}");
        return refuse(format!("{logged} events in the log of user {user}"), expected);
    }
    body.fill(bytemuck::cast_slice_mut(state))?;
    if let Some(number) = state.iter().find(|number| !number.is_finite()) {
        return refuse(format!("{number} in the state of user {user}"), "finite numbers");
    }
    let mut seen = Vec::new();
    body.read_into(&mut seen, distinct)?;
    let ascending = seen.is_sorted_by(|a, b| a < b);
    if !ascending || seen.last().is_some_and(|&last| last as usize >= num_items) {
        let expected = format!("ascending item indices, less than {num_items}");
        return refuse(format!("other items of user {user}"), expected);
    }
    let mut log = Vec::new();
    body.read_into(&mut log, logged)?;
    check_log(user, &log, &seen, logged == events)?;
    let mut times = Vec::new();
    if limits.times {
        body.read_into(&mut times, logged)?;
    }
    if let Some(time) = times.last().filter(|&&time| time != last_time) {
        let found = format!("a last event at {last_time} of user {user}");
        return refuse(found, format!("{time}, as in the log"));
    }
    let mut kinds = Vec::new();
    if num_kinds > 0 {
        body.read_into(&mut kinds, logged)?;
    }
    if let Some(kind) = kinds.iter().find(|&&kind| usize::from(kind) >= num_kinds) {
        return refuse(format!("kind {kind} in the log of user {user}"), "a kind of the model");
    }
    let mut record = Record { events, last_time, seen, ..Record::default() };
    record.log.items = log.into();
    record.log.times = times.into();
    record.log.kinds = kinds.into();
    Ok(record)
}

fn check_log(user: UserId<'_>, log: &[u32], seen: &[u32], complete: bool) -> Result<()> {
    let mut distinct = log.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if let Some(item) = distinct.iter().find(|item| seen.binary_search(item).is_err()) {
        return refuse(format!("item {item} in the log of user {user}"), "a seen item");
    }
    if complete && distinct.len() < seen.len() {
        let found = format!("{} distinct items in a log of all events", distinct.len());
        return refuse(format!("{found} of user {user}"), "as many as were seen");
    }
    Ok(())
}
