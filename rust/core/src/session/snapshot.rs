//! Stores and restores a session.

use super::EventLog;
use crate::snapshot::Header;
use crate::{Precision, Result, Session, Snapshot};

impl Session {
    /// Serialises the session, for [`Session::restore`]. Includes the log if one is kept, but not
    /// the checkpoints of [`Session::set_undo_depth`].
    ///
    /// The state can overflow to infinity only with extreme weights or overlay vectors. The
    /// snapshot of such a session cannot be restored.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.snapshot_with(Precision::F32)
    }

    /// [`Session::snapshot`] with a given precision of the state.
    #[must_use]
    pub fn snapshot_with(&self, precision: Precision) -> Vec<u8> {
        let config = self.model.config();
        let header = Header {
            precision,
            numbers: config.state_len() as u32,
            hidden_size: config.hidden_size as u32,
            events: self.events,
            seen: self.seen.len() as u32,
            log_capacity: self.log_capacity() as u64,
            log: self.log().len() as u64,
            fingerprint: self.model.fingerprint(),
            kinds: !config.kinds.is_empty(),
            last_time: config.gaps.then_some(self.last_time),
            added: self.model.added_up_to(self.seen.last().copied()),
        };
        let EventLog { items, times, kinds, .. } = &self.log;
        header.snapshot(&self.state, &self.seen, items, times, kinds)
    }

    /// Replaces the history by that of a snapshot. An f32 snapshot is exact: all further results
    /// have the same bits as if the session had never been stored. A damaged snapshot or one of
    /// another model is an error, and the session is unchanged.
    ///
    /// A session that keeps a log fills it from the snapshot's, up to its own capacity. One that
    /// keeps none adopts the snapshot's log and capacity. Clears the checkpoints.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        let snapshot = Snapshot::from_bytes(snapshot)?;
        snapshot.check_model(&self.model)?;
        for (number, stored) in self.state.iter_mut().zip(snapshot.numbers()) {
            *number = stored;
        }
        self.seen.clear();
        self.seen.extend(snapshot.seen());
        self.events = snapshot.events();
        self.last_time = snapshot.last_time();
        let (items, kinds, times) = (snapshot.log(), snapshot.log_kinds(), snapshot.log_times());
        self.log.restore(snapshot.log_capacity(), items, kinds, times);
        self.undo.clear();
        Ok(())
    }
}
