//! How a model is loaded: by the defaults, or otherwise.

use std::path::Path;
use std::sync::Arc;

use crate::isa::choose;
use crate::kernels::samples::Samples;
use crate::loading::Bytes;
use crate::{Isa, Model, Result};

/// How to load a model, where the defaults of [`Model::open`] will not do.
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
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forces an instruction set. It is an error if this CPU does not have it, or computes other
    /// bits with it than portable code.
    ///
    /// By default it is the one that the environment variable `RECGRELA_ISA` names (by
    /// [`Isa::name`]), which is forced too, and otherwise the best of this CPU that agrees with
    /// portable code. That is checked once in a process, the first time it matters.
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
        // SAFETY: the caller promises the same.
        self.load(unsafe { Bytes::map(path.as_ref())? })
    }

    /// [`Model::from_bytes`] with these options.
    pub fn from_bytes(&self, bytes: Vec<u8>) -> Result<Model> {
        self.load(Bytes::Given(bytes))
    }

    fn load(&self, bytes: Bytes) -> Result<Model> {
        Model::assemble(Arc::new(bytes), choose(self.isa, Samples)?)
    }
}

impl Model {
    /// Reads a model file, all of it, on the instruction set that [`ModelOptions::isa`] describes.
    /// What becomes of the file afterwards does not matter.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        ModelOptions::new().open(path)
    }

    /// Maps a model file: the catalogue table and the ids stay in the map, are read when they are
    /// first used, and are shared with other processes that map the file. Worth it from some 64 MiB
    /// on.
    ///
    /// # Safety
    ///
    /// Nobody writes to the file or truncates it while the model lives, in this process or another:
    /// that is undefined behaviour, and ends the process where pages are gone (`SIGBUS`). To update a
    /// model, write the new file beside the old one and rename it over that.
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    #[allow(unsafe_code)]
    pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: the caller promises the same.
        unsafe { ModelOptions::new().open_mmap(path) }
    }

    /// Loads a model from the bytes of its file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        ModelOptions::new().from_bytes(bytes)
    }
}
