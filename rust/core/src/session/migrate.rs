//! Migrates a history to another model.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Cause;
use crate::{Event, Model, Result, Session, Snapshot};

impl Session {
    /// Migrates the history of a snapshot to another model, such as a retrained one, by replaying
    /// its events in a new session.
    ///
    /// A recurrent state is meaningless under other weights, so the caller provides the events
    /// again. `log` has all events of the snapshot, oldest first, with the item indices and the
    /// kinds of the new model. Items that the new model lacks are `None` and are skipped. If the
    /// snapshot holds the log itself ([`Snapshot::log`], [`Snapshot::log_kinds`],
    /// [`Snapshot::log_times`]), translate that.
    ///
    /// The snapshot is checked without its model. Returns an error if the log cannot belong to the
    /// snapshot: if its number of events or of distinct items is wrong (with `None`, impossible),
    /// or if its items are not those of the snapshot's own log, translated one for one. If a log
    /// was kept, the new session keeps one of the same capacity.
    pub fn migrate<E>(model: Arc<Model>, snapshot: &[u8], log: &[Option<E>]) -> Result<Self>
    where
        E: Copy + Into<Event>,
    {
        let snapshot = Snapshot::from_bytes(snapshot)?;
        if log.len() as u64 != snapshot.events() {
            let found = format!("{} events", log.len());
            let expected = format!("{}, one per event of the snapshot", snapshot.events());
            return Err(Cause::MigrationLog { found, expected }.into());
        }
        let log: Vec<_> = log.iter().map(|event| event.map(Into::into)).collect();
        check_translation(&snapshot, &log)?;
        let known: Vec<Event> = log.iter().copied().flatten().collect();
        let mut session = Self::new(model);
        session.set_log_capacity(snapshot.log_capacity());
        session.extend(&known)?;
        check_distinct(session.seen.len(), log.len() - known.len(), snapshot.seen().len())?;
        Ok(session)
    }
}

/// Checks that a log with `known` distinct items and `unknown` events at others can have all of the
/// `seen` items and no other.
fn check_distinct(known: usize, unknown: usize, seen: usize) -> Result<()> {
    let fewest = known + usize::from(unknown > 0);
    if (fewest..=known + unknown).contains(&seen) {
        return Ok(());
    }
    let others = if unknown > 0 { format!(" and {unknown} unknown events") } else { String::new() };
    let found = format!("{known} distinct items{others}");
    let expected = format!("{seen} items, as many as the snapshot has seen");
    Err(Cause::MigrationLog { found, expected }.into())
}

/// Checks that the items of the snapshot's own log are translated one for one.
fn check_translation(snapshot: &Snapshot<'_>, log: &[Option<Event>]) -> Result<()> {
    let first = log.len() - snapshot.log().len();
    let (mut translation, mut origin) = (HashMap::new(), HashMap::new());
    let name = |item: Option<u32>| item.map_or("None".to_owned(), |item| item.to_string());
    for (i, (old, &new)) in snapshot.log().zip(&log[first..]).enumerate() {
        let new = new.map(|event| event.item);
        let known = *translation.entry(old).or_insert(new);
        let same = new.is_none_or(|new| *origin.entry(new).or_insert(old) == old);
        if known == new && same {
            continue;
        }
        let found = format!("item {} at event {}", name(new), first + i);
        let expected = if known == new {
            "another one than for another item before".to_owned()
        } else {
            format!("{}, as for the same item before", name(known))
        };
        return Err(Cause::MigrationLog { found, expected }.into());
    }
    Ok(())
}
