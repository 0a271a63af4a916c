//! The safetensors header, and the metadata entries of this format.

use std::collections::HashMap;

use safetensors::tensor::Metadata;

use crate::{Config, Error, Fingerprint, Result};

/// The length field before the header.
const LENGTH_BYTES: usize = 8;

/// Well above the header of the largest config; what is longer is not parsed, because parsing takes
/// memory that the file's size does not bound.
const MAX_HEADER: u64 = 1 << 18;

const FORMAT_KEY: &str = "recgrela.format";
const CONFIG_KEY: &str = "recgrela.config";
const FINGERPRINT_KEY: &str = "recgrela.fingerprint";

/// The format version that this crate reads.
const FORMAT: &str = "1";

/// What the header says, and where the data begins.
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) data_start: usize,
}

impl Header {
    /// Reads the header. The tensors then follow each other without gaps and end with the file.
    pub(super) fn parse(file: &[u8]) -> Result<Self> {
        let error = |message: String| Error::Header(message);
        let length = file.first_chunk::<LENGTH_BYTES>().ok_or_else(|| {
            error(format!("found {} bytes, expected at least {LENGTH_BYTES}", file.len()))
        })?;
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER {
            return Err(error(format!(
                "found a header of {length} bytes, expected at most {MAX_HEADER}"
            )));
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

/// The metadata entries of this format.
pub(super) struct Entries {
    pub(super) config: Config,
    pub(super) config_text: String,
    pub(super) fingerprint: Fingerprint,
}

impl Entries {
    pub(super) fn read(metadata: &Metadata) -> Result<Self> {
        let none = HashMap::new();
        let entries = metadata.metadata().as_ref().unwrap_or(&none);
        let entry = |key: &'static str, expected: &'static str| {
            let missing = || Error::Metadata { key, found: "nothing".to_owned(), expected };
            entries.get(key).ok_or_else(missing)
        };
        let invalid = |key, found: &str, expected| {
            // A hostile value may be long; its beginning identifies it.
            Err(Error::Metadata { key, found: format!("{found:.80?}"), expected })
        };

        let format = entry(FORMAT_KEY, "\"1\"")?;
        if format != FORMAT {
            return invalid(FORMAT_KEY, format, "\"1\"");
        }
        let config_text = entry(CONFIG_KEY, "a JSON object")?;
        let config = Config::from_json(config_text)?;
        let hex = "64 lowercase hex digits";
        let found = entry(FINGERPRINT_KEY, hex)?;
        let Some(fingerprint) = Fingerprint::from_hex(found) else {
            return invalid(FINGERPRINT_KEY, found, hex);
        };
        Ok(Self { config, config_text: config_text.clone(), fingerprint })
    }
}
