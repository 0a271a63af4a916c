//! The logs of users: forgetting, and migrating to another model.

use std::sync::Arc;

use super::workers::Workers;
use super::{Fleet, UserId};
use crate::error::Cause;
use crate::{Event, Kind, Model, Result};

/// Events that [`Fleet::migrate`] replays at once.
const BATCH: usize = 1 << 14;

impl Fleet {
    /// Keeps the last `capacity` events of each user; 0, the default, keeps none. The rules are
    /// those of [`Session::set_log_capacity`](crate::Session::set_log_capacity).
    pub fn set_log_capacity(&mut self, capacity: usize) {
        self.log_capacity = capacity;
        let number = self.changes.number();
        for record in &mut self.records {
            // Without it, the file would keep events that are dropped here.
            if record.log.len() > capacity {
                record.changed = number;
            }
            record.log.set_capacity(capacity);
        }
    }

    /// The capacity of each user's log; 0 if none is kept.
    pub fn log_capacity(&self) -> usize {
        self.log_capacity
    }

    /// The items of the events in a user's log, oldest first. They are the whole history if their
    /// number equals [`Fleet::events`], otherwise the most recent part.
    pub fn log<'a>(&self, user: impl Into<UserId<'a>>) -> Result<Vec<u32>> {
        let slot = self.users.slot(user.into())?;
        let log = slot.map(|slot| self.records[slot].log.items.iter().copied().collect());
        Ok(log.unwrap_or_default())
    }

    /// The kinds of the events in a user's log, oldest first; none if the model has no kinds.
    pub fn log_kinds<'a>(&self, user: impl Into<UserId<'a>>) -> Result<Vec<Kind>> {
        let slot = self.users.slot(user.into())?;
        let kinds = slot.map(|slot| self.records[slot].log.kinds.iter().map(|&k| Kind::new(k)));
        Ok(kinds.map(Iterator::collect).unwrap_or_default())
    }

    /// The times of the events in a user's log in seconds, oldest first; none if the model does not
    /// use times.
    pub fn log_times<'a>(&self, user: impl Into<UserId<'a>>) -> Result<Vec<i64>> {
        let slot = self.users.slot(user.into())?;
        let times = slot.map(|slot| self.records[slot].log.times.iter().copied().collect());
        Ok(times.unwrap_or_default())
    }

    /// [`Session::forget`](crate::Session::forget) for a user: removes every event of the given
    /// items, exactly. The log must hold the user's whole history. A user without any other event
    /// is removed.
    pub fn forget<'a>(&mut self, user: impl Into<UserId<'a>>, items: &[u32]) -> Result<()> {
        let user = user.into();
        let mut session = self.session(user)?;
        session.forget(items)?;
        self.set(user, &session)
    }

    /// Creates a fleet on another model, such as a retrained one, by replaying the logs of all
    /// users. Items are translated by their ids, and kinds by their names; items that the new model
    /// does not know are skipped, and users without a known item are omitted. If the new model has
    /// no kinds or does not use times, events are replayed without them. The new fleet has the same
    /// log capacity and threads.
    ///
    /// Returns an error if a user's log does not hold the whole history, if the ids of one model
    /// are integers and those of the other strings, and if the new model has kinds or uses times,
    /// but an event has no such kind or no time.
    pub fn migrate(&self, model: Arc<Model>) -> Result<Self> {
        let (old, new) = (self.model.catalog(), model.catalog());
        if old.is_text() != new.is_text() {
            let kind = |text| if text { "string" } else { "integer" };
            let found = format!("{} item ids in the new model", kind(new.is_text()));
            let expected = format!("{} ids, as in the old one", kind(old.is_text()));
            return Err(Cause::MigrationLog { found, expected }.into());
        }
        self.check_logs()?;
        let translated: Vec<Option<u32>> = (0..old.len() as u32)
            .map(|item| old.id(item).and_then(|id| new.index_of(id)))
            .collect();
        let (names, config) = (&self.model.config().kinds, model.config());
        let translate = |kind: Kind| model.kind(&names[usize::from(kind.index())]);
        let mut fleet = Self::new(Arc::clone(&model));
        fleet.set_log_capacity(self.log_capacity);
        fleet.workers = Workers::new(config, self.workers.count());
        let (mut users, mut events) = (Vec::new(), Vec::new());
        for (user, record) in self.users.iter().zip(&self.records) {
            for event in record.log.events() {
                let Some(item) = translated[event.item as usize] else { continue };
                let kind = event.kind.filter(|_| !config.kinds.is_empty());
                let kind = kind.map(translate).transpose()?;
                events.push(Event { item, kind, time: event.time.filter(|_| config.gaps) });
            }
            users.resize(events.len(), user);
            if events.len() >= BATCH {
                fleet.append(&users, &events)?;
                users.clear();
                events.clear();
            }
        }
        fleet.append(&users, &events)?;
        Ok(fleet)
    }

    /// Checks that all logs hold whole histories.
    fn check_logs(&self) -> Result<()> {
        let lacking = self.users.iter().zip(&self.records);
        let lacking = lacking.filter(|(_, user)| user.log.len() as u64 != user.events);
        let lacking: Vec<_> = lacking.map(|(user, _)| user).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let first = lacking.iter().take(20).map(UserId::to_string).collect();
        Err(Cause::IncompleteLogs { first, count: lacking.len() }.into())
    }
}
