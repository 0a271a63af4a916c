//! A session as bytes, and back. The layout is in `docs/format.md`.

mod header;
mod parse;
mod state;

pub use parse::Snapshot;
pub use state::Precision;

use header::Header;
use sha2::{Digest, Sha256};

use crate::{Result, Session};

const CHECKSUM_BYTES: usize = 32;

impl Session {
    /// The whole session as bytes, to be stored and given to [`Session::restore`]. The log goes with
    /// it where one is kept; the checkpoints of [`Session::keep_undo`] do not.
    ///
    /// Only absurd weights, or absurd vectors of an overlay, make a state overflow to infinity; the
    /// snapshot of such a session is not restored.
    pub fn snapshot(&self) -> Vec<u8> {
        self.snapshot_with(Precision::F32)
    }

    /// [`Session::snapshot`] with the state in a precision of the caller's choice.
    pub fn snapshot_with(&self, precision: Precision) -> Vec<u8> {
        let header = Header::of(self, precision);
        let mut blob = Vec::with_capacity(header.snapshot_bytes() as usize);
        header.write(&mut blob);
        let (state, hidden) = self.state.split_at(self.model.config().state_len());
        state::write(precision, state, hidden.len(), &mut blob);
        blob.extend(hidden.iter().flat_map(|number| number.to_le_bytes()));
        blob.extend(self.seen.iter().flat_map(|item| item.to_le_bytes()));
        blob.extend(self.log().flat_map(u32::to_le_bytes));
        let checksum = Sha256::digest(&blob);
        blob.extend_from_slice(&checksum);
        blob
    }

    /// Takes over the history of a snapshot. From an f32 snapshot this is exact: what follows has
    /// the same bits as if the session had never been stored. A snapshot that is damaged or of
    /// another model is refused, and the session is left as it was.
    ///
    /// A session that keeps a log fills it from the snapshot's, as far as its own capacity goes; one
    /// that keeps none takes over the snapshot's log with its capacity. Nothing of the history
    /// before can be undone.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        let snapshot = Snapshot::parse(snapshot)?;
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
