//! Carrying a history over to another model.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Cause;
use crate::{Model, Result, Session, Snapshot};

impl Session {
    /// Carries the history of a snapshot over to another model, such as a retrained one: its events
    /// are replayed in a new session.
    ///
    /// A recurrent state means nothing to other weights, so the caller gives the history again:
    /// `log` has all events of the snapshot, the oldest first, as item indices of the new model, and
    /// None for each item that it does not know; those are left out and the later ones move up.
    /// Where the snapshot holds the log itself ([`Snapshot::log`]), the caller translates that.
    ///
    /// The snapshot is checked without its model. A log of another length is refused, and one that
    /// contradicts what the snapshot tells: more distinct items than were seen, or two items where
    /// its own log has one. If a log was kept, the new session keeps one of that capacity.
    pub fn migrate(model: Arc<Model>, snapshot: &[u8], log: &[Option<u32>]) -> Result<Self> {
        let snapshot = Snapshot::from_bytes(snapshot)?;
        if log.len() as u64 != snapshot.events() {
            let found = format!("{} events", log.len());
            let expected = format!("{}, one for each of the snapshot", snapshot.events());
            return Err(Cause::MigrationLog { found, expected }.into());
        }
        check_translation(&snapshot, log)?;
        let known: Vec<_> = log.iter().copied().flatten().collect();
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

/// Checks that each item of the snapshot's own log became one item, or none, throughout. Items may
/// have been merged, so two may have become one.
fn check_translation(snapshot: &Snapshot<'_>, log: &[Option<u32>]) -> Result<()> {
    let first = log.len() - snapshot.log().len();
    let mut translation = HashMap::new();
    for (at, (old, &new)) in snapshot.log().zip(&log[first..]).enumerate() {
        let known = *translation.entry(old).or_insert(new);
        if known != new {
            let name = |item: Option<u32>| item.map_or("None".to_owned(), |item| item.to_string());
            let found = format!("item {} at event {}", name(new), first + at);
            let expected = format!("{}, as for the same item before", name(known));
            return Err(Cause::MigrationLog { found, expected }.into());
        }
    }
    Ok(())
}
