//! Changes of bytes.

use arbitrary::Arbitrary;
use sha2::{Digest, Sha256};

pub(crate) const CHECKSUM_BYTES: usize = 32;

/// Replaces bytes at any position.
#[derive(Arbitrary, Debug)]
pub(crate) struct Splice<'a> {
    offset: u16,
    remove: u8,
    insert: &'a [u8],
}

impl Splice<'_> {
    /// The position, and the numbers of bytes removed and inserted.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) -> (usize, usize, usize) {
        let offset = usize::from(self.offset) % (bytes.len() + 1);
        let end = bytes.len().min(offset + usize::from(self.remove));
        bytes.splice(offset..end, self.insert.iter().copied());
        (offset, end - offset, self.insert.len())
    }
}

/// The same edit in a safetensors file.
#[derive(Arbitrary, Debug)]
pub(crate) struct FileSplice<'a> {
    bytes: Splice<'a>,
    /// Whether the header's length is adjusted to a change in the header.
    adjust: bool,
}

impl FileSplice<'_> {
    pub(crate) fn apply(&self, file: &mut Vec<u8>) {
        let length = file.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        let (offset, removed, inserted) = self.bytes.apply(file);
        if self.adjust && offset >= 8 && (offset as u64) < length.saturating_add(8) {
            let length = length.saturating_add(inserted as u64).saturating_sub(removed as u64);
            file[..8].copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Overwrites bytes, if they are in range.
pub(crate) fn put(blob: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(to) = offset.checked_add(bytes.len()).and_then(|end| blob.get_mut(offset..end)) {
        to.copy_from_slice(bytes);
    }
}

/// Recomputes the checksum at the end.
pub(crate) fn seal(blob: &mut [u8]) {
    if let Some((body, checksum)) = blob.split_last_chunk_mut::<CHECKSUM_BYTES>() {
        *checksum = Sha256::digest(body).into();
    }
}
