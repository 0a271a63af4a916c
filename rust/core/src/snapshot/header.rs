//! The fixed-size header.

use super::state::Precision;
use crate::error::Cause;
use crate::model::Added;
use crate::{Fingerprint, Result};

const MAGIC: &[u8; 8] = b"RGRLSESS";
const VERSION: u32 = 2;
pub(super) const HEADER_BYTES: usize = 120;
pub(super) const CHECKSUM_BYTES: usize = 32;

pub(crate) struct Header {
    pub(crate) precision: Precision,
    pub(crate) numbers: u32,
    pub(crate) hidden_size: u32,
    pub(crate) events: u64,
    /// The number of distinct items.
    pub(crate) seen: u32,
    pub(crate) log_capacity: u64,
    pub(crate) log: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) added: Added,
}

impl Header {
    pub(super) fn write(&self, blob: &mut Vec<u8>) {
        blob.extend_from_slice(MAGIC);
        for field in [VERSION, self.precision.code(), self.numbers, self.hidden_size] {
            blob.extend_from_slice(&field.to_le_bytes());
        }
        blob.extend_from_slice(&self.events.to_le_bytes());
        for field in [self.seen, self.added.count] {
            blob.extend_from_slice(&field.to_le_bytes());
        }
        for field in [self.log_capacity, self.log] {
            blob.extend_from_slice(&field.to_le_bytes());
        }
        blob.extend_from_slice(self.fingerprint.as_bytes());
        blob.extend_from_slice(&self.added.digest);
    }

    /// Parses the header, and checks the snapshot's length against its counts before they are used.
    pub(super) fn parse(blob: &[u8]) -> Result<Self> {
        let mut rest = blob;
        if take(&mut rest)? != *MAGIC {
            return Err(Cause::SnapshotMagic.into());
        }
        let found = u32::from_le_bytes(take(&mut rest)?);
        if found != VERSION {
            return Err(Cause::SnapshotVersion { found, expected: VERSION }.into());
        }
        let precision = Precision::from_code(u32::from_le_bytes(take(&mut rest)?))?;
        let numbers = u32::from_le_bytes(take(&mut rest)?);
        let hidden_size = u32::from_le_bytes(take(&mut rest)?);
        let events = u64::from_le_bytes(take(&mut rest)?);
        let seen = u32::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?);
        let log_capacity = u64::from_le_bytes(take(&mut rest)?);
        let log = u64::from_le_bytes(take(&mut rest)?);
        let fingerprint = Fingerprint::from_bytes(take(&mut rest)?);
        let added = Added { count, digest: take(&mut rest)? };
        let header = Self {
            precision,
            numbers,
            hidden_size,
            events,
            seen,
            log_capacity,
            log,
            fingerprint,
            added,
        };
        if added.count == 0 && added != Added::default() {
            let found = "a digest without added items".to_owned();
            return Err(Cause::SnapshotValue { found, expected: "zeros" }.into());
        }
        header.check_sizes(blob.len() as u64)?;
        Ok(header)
    }

    fn check_sizes(&self, bytes: u64) -> Result<()> {
        let refuse =
            |what, found, expected| Err(Cause::SnapshotSize { what, found, expected }.into());
        if self.hidden_size == 0 || !self.numbers.is_multiple_of(self.hidden_size) {
            let expected = format!("a multiple of the hidden size, {}", self.hidden_size);
            return refuse("state numbers", self.numbers.into(), expected);
        }
        if self.log > self.log_capacity {
            let expected = format!("at most its capacity, {}", self.log_capacity);
            return refuse("events in the log", self.log, expected);
        }
        if bytes != self.snapshot_bytes() {
            return refuse("bytes", bytes, self.snapshot_bytes().to_string());
        }
        Ok(())
    }

    /// The bytes of the recurrent state. Below 2^35, because the counts are below 2^32.
    pub(super) fn state_bytes(&self) -> u64 {
        let (numbers, rows) = (u64::from(self.numbers), u64::from(self.numbers / self.hidden_size));
        self.precision.bytes(numbers, rows)
    }

    /// The bytes of the whole snapshot, saturating.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        let fixed = (HEADER_BYTES + CHECKSUM_BYTES) as u64;
        let words = u64::from(self.hidden_size) + u64::from(self.seen);
        fixed
            .saturating_add(self.state_bytes())
            .saturating_add(words.saturating_add(self.log).saturating_mul(4))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let Some((first, after)) = rest.split_first_chunk() else {
        let expected = format!("at least {N} more");
        return Err(
            Cause::SnapshotSize { what: "bytes left", found: rest.len() as u64, expected }.into()
        );
    };
    *rest = after;
    Ok(*first)
}
