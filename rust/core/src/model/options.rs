//! How a model is loaded.

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
