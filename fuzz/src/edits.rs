//! Changes of bytes.

use arbitrary::Arbitrary;
use sha2::{Digest, Sha256};

pub(crate) const CHECKSUM_BYTES: usize = 32;

/// Some bytes in the place of others, wherever that is.
#[derive(Arbitrary, Debug)]
pub(crate) struct Splice<'a> {
    at: u16,
    remove: u8,
    insert: &'a [u8],
}

impl Splice<'_> {
    /// Where it was, how many bytes it took out and how many it put in.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) -> (usize, usize, usize) {
        let at = usize::from(self.at) % (bytes.len() + 1);
        let end = bytes.len().min(at + usize::from(self.remove));
        bytes.splice(at..end, self.insert.iter().copied());
        (at, end - at, self.insert.len())
    }
}

/// The same in a safetensors file.
#[derive(Arbitrary, Debug)]
pub(crate) struct FileSplice<'a> {
    bytes: Splice<'a>,
    /// Whether the header's length goes along with a change in it.
    adjust: bool,
}

impl FileSplice<'_> {
    pub(crate) fn apply(&self, file: &mut Vec<u8>) {
        let length = file.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        let (at, removed, inserted) = self.bytes.apply(file);
        if self.adjust && at >= 8 && (at as u64) < length.saturating_add(8) {
            let length = length.saturating_add(inserted as u64).saturating_sub(removed as u64);
            file[..8].copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Overwrites bytes, where there are as many.
pub(crate) fn put(blob: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = at.checked_add(bytes.len()).and_then(|end| blob.get_mut(at..end)) {
        to.copy_from_slice(bytes);
    }
}

/// Makes the checksum at the end that of the bytes before it.
pub(crate) fn seal(blob: &mut [u8]) {
    if let Some((body, checksum)) = blob.split_last_chunk_mut::<CHECKSUM_BYTES>() {
        *checksum = Sha256::digest(body).into();
    }
}
