//! The headers of a file and of its segments.

use crate::error::Cause;
use crate::event::{STORED_VERSIONS, stored_version};
use crate::model::Added;
use crate::{Fingerprint, Model, Result};

const MAGIC: &[u8; 8] = b"RGRLFLET";
pub(super) const HEADER_BYTES: usize = 48;
pub(super) const SEGMENT_BYTES: usize = 88;
pub(super) const CHECKSUM_BYTES: usize = 32;

/// Segments start at multiples of this, so that their first word never spans two disk sectors.
pub(super) const ALIGNMENT: u64 = 8;

/// The numbers per user: the state and the hidden vector.
pub(super) fn numbers(model: &Model) -> usize {
    model.config().state_len() + model.config().hidden_size
}

fn version(model: &Model) -> u32 {
    let config = model.config();
    stored_version(!config.kinds.is_empty(), config.gaps)
}

pub(super) fn write_header(model: &Model) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&version(model).to_le_bytes());
    bytes[12..16].copy_from_slice(&(numbers(model) as u32).to_le_bytes());
    bytes[16..].copy_from_slice(model.fingerprint().as_bytes());
    bytes
}

pub(super) fn check_header(bytes: &[u8; HEADER_BYTES], model: &Model) -> Result<()> {
    if bytes[..8] != *MAGIC {
        return Err(Cause::FleetMagic.into());
    }
    let (stated, needed) = (word(bytes, 8), version(model));
    if !STORED_VERSIONS.contains(&stated) {
        let hint = if stated == 1 { ", which has no user ids" } else { "" };
        let expected = format!("{needed}: append the events again and save");
        return refuse(format!("version {stated}{hint}"), expected);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(&bytes[16..]);
    let (found, expected) = (Fingerprint::from_bytes(fingerprint), model.fingerprint());
    if found != expected {
        return Err(Cause::FleetOfOtherModel { found, expected }.into());
    }
    if stated != needed {
        return refuse(format!("version {stated}"), format!("{needed}, as of its model"));
    }
    match word(bytes, 12) as usize {
        found if found == numbers(model) => Ok(()),
        found => refuse(format!("{found} numbers in a state"), numbers(model)),
    }
}

/// The ids of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    None,
    Int,
    Str,
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    /// The length in bytes, with header and checksum.
    pub(super) length: u64,
    pub(super) users: u64,
    pub(super) removed: u64,
    pub(super) kind: Kind,
    pub(super) log_capacity: u64,
    /// The added items that the users depend on.
    pub(super) added: Added,
}

impl Segment {
    /// Serialises the header with the first word, which commits the segment.
    pub(super) fn to_bytes(self) -> [u8; SEGMENT_BYTES] {
        let mut bytes = [0; SEGMENT_BYTES];
        let words = [self.length, self.length, self.users, self.removed, self.kind as u64];
        let words = words.into_iter().chain([self.log_capacity, self.added.count.into()]);
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes[56..].copy_from_slice(&self.added.digest);
        bytes
    }

    pub(super) fn parse(bytes: &[u8; SEGMENT_BYTES]) -> Result<Self> {
        let kind = match long(bytes, 32) {
            0 => Kind::None,
            1 => Kind::Int,
            2 => Kind::Str,
            other => return refuse(format!("kind {other} of user ids"), "0, 1 or 2"),
        };
        let Ok(count) = u32::try_from(long(bytes, 48)) else {
            let found = format!("{} added items", long(bytes, 48));
            return refuse(found, format!("at most {}", u32::MAX));
        };
        let mut added = Added { count, digest: [0; 32] };
        added.digest.copy_from_slice(&bytes[56..]);
        if count == 0 && added != Added::default() {
            return refuse("a digest without added items", "zeros");
        }
        let (length, users, removed) = (long(bytes, 8), long(bytes, 16), long(bytes, 24));
        if length != long(bytes, 0) {
            return refuse(format!("a segment of {} bytes", long(bytes, 0)), length);
        }
        let least = (SEGMENT_BYTES + CHECKSUM_BYTES) as u64;
        if length < least || !length.is_multiple_of(ALIGNMENT) {
            let expected = format!("a multiple of {ALIGNMENT}, {least} or more");
            return refuse(format!("a segment of {length} bytes"), expected);
        }
        if (users == 0 && removed == 0) != (kind == Kind::None) {
            return refuse(format!("{kind:?} ids of {users} users"), "a kind if there are users");
        }
        Ok(Self { length, users, removed, kind, log_capacity: long(bytes, 40), added })
    }
}

fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

pub(super) fn long(bytes: &[u8], offset: usize) -> u64 {
    bytes[offset..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub(super) fn refuse<T>(found: impl Into<String>, expected: impl ToString) -> Result<T> {
    Err(Cause::FleetFile { found: found.into(), expected: expected.to_string() }.into())
}
