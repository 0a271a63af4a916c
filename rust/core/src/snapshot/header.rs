//! The fixed-size header.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use super::state::{self, Precision, refuse};
use crate::error::Cause;
use crate::event::{STORED_VERSIONS, stored_version};
use crate::model::Added;
use crate::{Fingerprint, Result};

const MAGIC: &[u8; 8] = b"RGRLSESS";
/// The bytes of the header without the time of the last event.
const HEADER_BYTES: usize = 120;
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
    /// Whether the events have kinds.
    pub(crate) kinds: bool,
    /// The time of the last event, if events have times; 0 before the first.
    pub(crate) last_time: Option<i64>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) added: Added,
}

impl Header {
    /// Serialises the session: recurrent state and hidden vector, distinct items, the log's items,
    /// times and kinds, checksum.
    pub(crate) fn snapshot(
        &self,
        numbers: &[f32],
        seen: &[u32],
        items: &VecDeque<u32>,
        times: &VecDeque<i64>,
        kinds: &VecDeque<u8>,
    ) -> Vec<u8> {
        let mut blob = Vec::with_capacity(self.snapshot_bytes() as usize);
        self.write(&mut blob);
        let (state, hidden) = numbers.split_at(self.numbers as usize);
        state::write(self.precision, state, hidden.len(), &mut blob);
        blob.extend(hidden.iter().flat_map(|number| number.to_le_bytes()));
        blob.extend(seen.iter().flat_map(|item| item.to_le_bytes()));
        blob.extend(items.iter().flat_map(|item| item.to_le_bytes()));
        blob.extend(times.iter().flat_map(|time| time.to_le_bytes()));
        blob.extend(kinds);
        let checksum = Sha256::digest(&blob);
        blob.extend_from_slice(&checksum);
        blob
    }

    fn write(&self, blob: &mut Vec<u8>) {
        blob.extend_from_slice(MAGIC);
        for field in [self.version(), self.precision.code(), self.numbers, self.hidden_size] {
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
        blob.extend(self.last_time.into_iter().flat_map(i64::to_le_bytes));
    }

    fn version(&self) -> u32 {
        stored_version(self.kinds, self.last_time.is_some())
    }

    /// Parses the header, and checks the snapshot's length against its counts before they are used.
    pub(super) fn parse(blob: &[u8]) -> Result<Self> {
        let mut rest = blob;
        if take(&mut rest)? != *MAGIC {
            return Err(Cause::SnapshotMagic.into());
        }
        let version = u32::from_le_bytes(take(&mut rest)?);
        let Some(features) = STORED_VERSIONS.iter().position(|&known| known == version) else {
            return refuse(format!("version {version}"), "2 to 5");
        };
        let mut header = Self {
            precision: Precision::from_code(u32::from_le_bytes(take(&mut rest)?))?,
            numbers: u32::from_le_bytes(take(&mut rest)?),
            hidden_size: u32::from_le_bytes(take(&mut rest)?),
            events: u64::from_le_bytes(take(&mut rest)?),
            seen: u32::from_le_bytes(take(&mut rest)?),
            added: Added { count: u32::from_le_bytes(take(&mut rest)?), digest: [0; 32] },
            log_capacity: u64::from_le_bytes(take(&mut rest)?),
            log: u64::from_le_bytes(take(&mut rest)?),
            kinds: features % 2 == 1,
            last_time: None,
            fingerprint: Fingerprint::from_bytes(take(&mut rest)?),
        };
        header.added.digest = take(&mut rest)?;
        if features >= 2 {
            header.last_time = Some(i64::from_le_bytes(take(&mut rest)?));
        }
        if header.added.count == 0 && header.added != Added::default() {
            return refuse("a digest without added items", "zeros");
        }
        header.check_sizes(blob.len() as u64)?;
        Ok(header)
    }

    fn check_sizes(&self, bytes: u64) -> Result<()> {
        if self.hidden_size == 0 || !self.numbers.is_multiple_of(self.hidden_size) {
            let expected = format!("a multiple of the hidden size, {}", self.hidden_size);
            return refuse(format!("{} state numbers", self.numbers), expected);
        }
        if self.log > self.log_capacity {
            let expected = format!("at most its capacity, {}", self.log_capacity);
            return refuse(format!("{} events in the log", self.log), expected);
        }
        if bytes != self.snapshot_bytes() {
            return refuse(format!("{bytes} bytes"), self.snapshot_bytes());
        }
        Ok(())
    }

    /// The bytes of the recurrent state. Below 2^35, because the counts are below 2^32.
    pub(super) fn state_bytes(&self) -> u64 {
        let (numbers, rows) = (u64::from(self.numbers), u64::from(self.numbers / self.hidden_size));
        self.precision.bytes(numbers, rows)
    }

    /// The bytes of the header.
    pub(super) fn bytes(&self) -> usize {
        HEADER_BYTES + if self.last_time.is_some() { size_of::<i64>() } else { 0 }
    }

    /// The bytes of the kinds of the events in the log.
    pub(super) fn kinds_bytes(&self) -> u64 {
        if self.kinds { self.log } else { 0 }
    }

    /// The bytes of the times of the events in the log, saturating.
    pub(super) fn times_bytes(&self) -> u64 {
        if self.last_time.is_some() { self.log.saturating_mul(8) } else { 0 }
    }

    /// The bytes of the whole snapshot, saturating.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        let fixed = (self.bytes() + CHECKSUM_BYTES) as u64;
        let words = u64::from(self.hidden_size) + u64::from(self.seen);
        fixed
            .saturating_add(self.state_bytes())
            .saturating_add(words.saturating_add(self.log).saturating_mul(4))
            .saturating_add(self.times_bytes())
            .saturating_add(self.kinds_bytes())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let Some((first, after)) = rest.split_first_chunk() else {
        return refuse(format!("{} bytes left", rest.len()), format!("at least {N} more"));
    };
    *rest = after;
    Ok(*first)
}
