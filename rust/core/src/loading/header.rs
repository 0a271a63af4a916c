//! The safetensors header and its metadata entries.

use std::collections::HashMap;

use safetensors::tensor::Metadata;

use crate::error::Cause;
use crate::{Error, Fingerprint, Result};

const LENGTH_BYTES: usize = 8;

/// Well above the header of the largest config. Longer headers are not parsed: parsing takes memory
/// that the file's size does not bound.
const MAX_HEADER: u64 = 1 << 18;

/// Files opened by mistake, by their first bytes. Read as a length, these exceed [`MAX_HEADER`].
const OTHER_FILES: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "a zip archive, such as a training checkpoint: run recgrela-train export"),
    (b"RGRLSESS", "a session snapshot, expected a model"),
    (b"RGRLFLET", "a fleet file, expected a model"),
    (b"\x1f\x8b\x08", "a gzip archive: unpack it first"),
    (b"<", "HTML or XML, such as a server's error page"),
];

pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) data_start: usize,
}

impl Header {
    /// Parses the header. Ensures that the tensors are contiguous and end with the file.
    pub(super) fn parse(file: &[u8]) -> Result<Self> {
        let error = |message: String| Error::from(Cause::Header(message));
        let length = file.first_chunk::<LENGTH_BYTES>().ok_or_else(|| {
            error(format!("found {} bytes, expected at least {LENGTH_BYTES}", file.len()))
        })?;
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER {
            let other = OTHER_FILES.iter().find(|(start, _)| file.starts_with(start));
            return Err(error(match other {
                Some((_, what)) => format!("found {what}"),
                None => format!("found a header of {length} bytes, expected at most {MAX_HEADER}"),
            }));
        }
        let data_start = LENGTH_BYTES + length as usize;
        let text = file.get(LENGTH_BYTES..data_start).ok_or_else(|| {
            error(format!(
                "found a file of {} bytes, expected at least {data_start} for its header",
                file.len()
            ))
        })?;
        let metadata: Metadata =
            serde_json::from_slice(text).map_err(|e| error(format!("header: {e}")))?;
        if data_start.checked_add(metadata.data_len()) != Some(file.len()) {
            return Err(error(format!(
                "found {} bytes of tensors, expected {} from the header",
                file.len() - data_start,
                metadata.data_len()
            )));
        }
        Ok(Self { metadata, data_start })
    }
}

pub(crate) struct Entries(HashMap<String, String>);

impl Entries {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.metadata().clone().unwrap_or_default())
    }

    pub(crate) fn text(&self, key: &'static str, expected: &'static str) -> Result<&str> {
        let missing = || Cause::Metadata { key, found: "nothing".to_owned(), expected }.into();
        self.0.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// The index of an entry's text in a list. `quoted` is the list for the error.
    pub(crate) fn one_of(
        &self,
        key: &'static str,
        texts: &[&str],
        quoted: &'static str,
    ) -> Result<usize> {
        let found = self.text(key, quoted)?;
        let index = texts.iter().position(|&text| text == found);
        index.ok_or_else(|| invalid(key, found, quoted))
    }

    pub(crate) fn fingerprint(&self, key: &'static str) -> Result<Fingerprint> {
        let expected = "64 lowercase hex digits";
        let found = self.text(key, expected)?;
        Fingerprint::from_hex(found).ok_or_else(|| invalid(key, found, expected))
    }
}

fn invalid(key: &'static str, found: &str, expected: &'static str) -> Error {
    // A hostile value may be long; its first characters identify it.
    Cause::Metadata { key, found: format!("{found:.80?}"), expected }.into()
}
