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
    /// snapshot holds the log itself ([`Snapshot::log`], [`Snapshot::log_kinds`]), translate that.
    ///
    /// The snapshot is checked without its model. Returns an error if the log's length differs from
    /// the number of events, or if the log contradicts the snapshot: more distinct items than were
    /// seen, or two items for one in the snapshot's own log. If a log was kept, the new session
    /// keeps one of the same capacity.
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
        let known: Vec<Event> = log.into_iter().flatten().collect();
        let mut session = Self::new(model);
        session.set_log_capacity(snapshot.log_capacity());
        session.extend(&known)?;
        let (found, expected) = (session.seen.len(), snapshot.seen().len());
        if found > expected {
            let found = format!("{found} distinct items");
            let expected = format!("at most {expected}, as many as the snapshot has seen");
            return Err(Cause::MigrationLog { found, expected }.into());
        }
        Ok(session)
    }
}

/// Checks that the snapshot's own log is translated consistently. Items may be merged.
fn check_translation(snapshot: &Snapshot<'_>, log: &[Option<Event>]) -> Result<()> {
    let first = log.len() - snapshot.log().len();
    let mut translation = HashMap::new();
    for (i, (old, &new)) in snapshot.log().zip(&log[first..]).enumerate() {
        let new = new.map(|event| event.item);
        let known = *translation.entry(old).or_insert(new);
        if known != new {
            let name = |item: Option<u32>| item.map_or("None".to_owned(), |item| item.to_string());
            let found = format!("item {} at event {}", name(new), first + i);
            let expected = format!("{}, as for the same item before", name(known));
            return Err(Cause::MigrationLog { found, expected }.into());
        }
    }
    Ok(())
}
