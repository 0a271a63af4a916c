//! A session stored, and restored.

use crate::snapshot::Header;
use crate::{Precision, Result, Session, Snapshot};

impl Session {
    /// The whole session as bytes, to be stored and given to [`Session::restore`]. The log goes with
    /// it where one is kept; the checkpoints of [`Session::set_undo_depth`] do not.
    ///
    /// Only absurd weights, or absurd vectors of an overlay, make a state overflow to infinity; the
    /// snapshot of such a session is not restored.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.snapshot_with(Precision::F32)
    }

    /// [`Session::snapshot`] with the state in a precision of the caller's choice.
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
            added: self.model.added_up_to(self.seen.last().copied()),
        };
        header.snapshot(&self.state, &self.seen, self.log())
    }

    /// Takes over the history of a snapshot. From an f32 snapshot this is exact: what follows has
    /// the same bits as if the session had never been stored. A snapshot that is damaged or of
    /// another model is refused, and the session is left as it was.
    ///
    /// A session that keeps a log fills it from the snapshot's, as far as its own capacity goes; one
    /// that keeps none takes over the snapshot's log with its capacity. Nothing of the history
    /// before can be undone.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        let snapshot = Snapshot::from_bytes(snapshot)?;
        snapshot.check_model(&self.model)?;
        for (number, stored) in self.state.iter_mut().zip(snapshot.numbers()) {
            *number = stored;
        }
        self.seen.clear();
        self.seen.extend(snapshot.seen());
        self.events = snapshot.events();
        self.log.restore(snapshot.log_capacity(), snapshot.log());
        self.undo.clear();
        Ok(())
    }
}
