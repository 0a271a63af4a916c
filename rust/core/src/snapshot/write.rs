//! Writes a snapshot.

use sha2::{Digest, Sha256};

use super::header::Header;
use super::state;

impl Header {
    /// Serialises the session: recurrent state and hidden vector, distinct items, log, checksum.
    pub(crate) fn snapshot(
        &self,
        numbers: &[f32],
        seen: &[u32],
        log: impl Iterator<Item = u32>,
    ) -> Vec<u8> {
        let mut blob = Vec::with_capacity(self.snapshot_bytes() as usize);
        self.write(&mut blob);
        let (state, hidden) = numbers.split_at(self.numbers as usize);
        state::write(self.precision, state, hidden.len(), &mut blob);
        blob.extend(hidden.iter().flat_map(|number| number.to_le_bytes()));
        blob.extend(seen.iter().flat_map(|item| item.to_le_bytes()));
        blob.extend(log.flat_map(u32::to_le_bytes));
        let checksum = Sha256::digest(&blob);
        blob.extend_from_slice(&checksum);
        blob
    }
}
