//! A model file: its metadata and its tensors.

use super::TensorFile;
use crate::config::Format;
use crate::{Config, Fingerprint, Result};

const FORMAT_KEY: &str = "recgrela.format";
const CONFIG_KEY: &str = "recgrela.config";
const FINGERPRINT_KEY: &str = "recgrela.fingerprint";

/// A parsed model file, whose tensors are taken one by one.
#[derive(Debug)]
pub(crate) struct ModelFile<'a> {
    pub(crate) config: Config,
    config_text: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) tensors: TensorFile<'a>,
}

impl<'a> ModelFile<'a> {
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self> {
        let (tensors, entries) = TensorFile::parse(file)?;
        let format = match entries.one_of(FORMAT_KEY, &["1", "2"], "\"1\" or \"2\"")? {
            0 => Format::One,
            _ => Format::Two,
        };
        let config_text = entries.text(CONFIG_KEY, "a JSON object")?.to_owned();
        let config = Config::from_json(&config_text, format)?;
        let fingerprint = entries.fingerprint(FINGERPRINT_KEY)?;
        Ok(Self { config, config_text, fingerprint, tensors })
    }

    /// Computes the fingerprint of the file's contents.
    pub(crate) fn compute_fingerprint(&self) -> Fingerprint {
        self.tensors.compute_fingerprint(&self.config_text)
    }
}
