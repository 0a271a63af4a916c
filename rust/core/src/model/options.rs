//! Options for loading a model.

use std::path::Path;
use std::sync::Arc;

use crate::isa::choose;
use crate::kernels::samples::compute_samples;
use crate::loading::Bytes;
use crate::{Isa, Model, Result};

/// Options for loading a model.
///
/// ```
/// use recgrela::{Isa, ModelOptions};
///
/// # fn main() -> recgrela::Result<()> {
/// let model = ModelOptions::new().isa(Isa::Scalar).open("tests/data/tiny.safetensors")?;
/// assert_eq!(model.isa(), Isa::Scalar);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ModelOptions {
    isa: Option<Isa>,
}

impl ModelOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forces an instruction set. Fails if this CPU lacks it or it disagrees with portable code.
    ///
    /// By default, the environment variable `RECGRELA_ISA` forces one by [`Isa::name`]. Without it,
    /// the best instruction set of this CPU that agrees with portable code is chosen. Agreement is
    /// checked once per process.
    pub fn isa(mut self, isa: impl Into<Option<Isa>>) -> Self {
        self.isa = isa.into();
        self
    }

    /// [`Model::open`] with these options.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Model> {
        self.load(Bytes::read(path.as_ref())?)
    }

    /// [`Model::open_mmap`] with these options.
    ///
    /// # Safety
    ///
    /// As for [`Model::open_mmap`].
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    #[allow(unsafe_code)]
    pub unsafe fn open_mmap(&self, path: impl AsRef<Path>) -> Result<Model> {
        // SAFETY: the caller upholds the contract of `Bytes::map`.
        self.load(unsafe { Bytes::map(path.as_ref())? })
    }

    /// [`Model::from_bytes`] with these options.
    pub fn from_bytes(&self, bytes: Vec<u8>) -> Result<Model> {
        self.load(Bytes::Given(bytes))
    }

    fn load(&self, bytes: Bytes) -> Result<Model> {
        Model::assemble(Arc::new(bytes), choose(self.isa, compute_samples)?)
    }
}

impl Model {
    /// Reads a whole model file into memory. Later changes to the file have no effect.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        ModelOptions::new().open(path)
    }

    /// Maps a model file. The catalogue table and the ids stay in the map, are read on first use,
    /// and are shared with other processes that map the file. This is worthwhile above about 64
    /// MiB.
    ///
    /// # Safety
    ///
    /// While the model exists, no process may write to the file or truncate it. That is undefined
    /// behaviour, and access to a truncated page ends the process (`SIGBUS`). To update a model,
    /// write the new file beside the old one and rename it into place.
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    #[allow(unsafe_code)]
    pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: the caller upholds the same contract.
        unsafe { ModelOptions::new().open_mmap(path) }
    }

    /// Loads a model from the bytes of its file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        ModelOptions::new().from_bytes(bytes)
    }
}
