//! A loaded, checked model: config, weights, table, ids, and the overlay on its catalogue.

mod added;
mod catalog;
mod options;
mod overlay;
mod table;
mod view;
mod vocabulary;
mod weights;

pub(crate) use added::Added;
pub use catalog::Catalog;
pub use options::ModelOptions;
pub use overlay::Overlay;
pub use table::TableDtype;
pub(crate) use table::{Floats, Hidden, Numbers, Table, Visitor};
pub(crate) use view::View;
pub use vocabulary::ItemId;
pub(crate) use weights::{Block, Network, Order};

use std::path::Path;
use std::sync::Arc;

use overlay::Active as ActiveOverlay;
use vocabulary::VocabularyLayout;

use crate::loading::{Bytes, ModelFile, SelfTest};
use crate::simd::Backend;
use crate::{Config, Fingerprint, Isa, Result};

/// A model, loaded and checked, that threads share in an [`Arc`]. It never changes, but for the
/// [`Overlay`](crate::Overlay) on its catalogue that can be made active.
///
/// The file is untrusted input: sizes, dtypes, shapes and values are checked at load, and what is
/// wrong is an [`Error`](crate::Error) that says what was found where. [`Model::verify`]
/// also recomputes the fingerprint and replays the self-test.
#[derive(Debug)]
pub struct Model {
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) backend: Backend,
    pub(crate) network: Network,
    pub(crate) table: Table,
    config: Config,
    fingerprint: Fingerprint,
    pub(crate) vocabulary: VocabularyLayout,
    pub(crate) overlay: ActiveOverlay,
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

    /// The same file on another instruction set, unchecked.
    pub(crate) fn on(&self, backend: Backend) -> Result<Self> {
        Self::assemble(Arc::clone(&self.bytes), backend)
    }

    fn assemble(bytes: Arc<Bytes>, backend: Backend) -> Result<Self> {
        let ModelFile { config, fingerprint, mut tensors, .. } = ModelFile::parse(&bytes)?;
        let table = Table::take(&mut tensors, &config, &bytes)?;
        let vocabulary = VocabularyLayout::take(&mut tensors, config.num_items, &bytes)?;
        let network = Network::take(&mut tensors, &config)?;
        SelfTest::take(&mut tensors, config.num_items)?;
        tensors.expect_all_taken()?;
        Ok(Self {
            bytes,
            backend,
            network,
            table,
            config,
            fingerprint,
            vocabulary,
            overlay: ActiveOverlay::default(),
        })
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The fingerprint that the file states. [`Model::verify`] checks it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// N, the number of items in the file.
    pub fn num_items(&self) -> usize {
        self.config.num_items
    }

    /// The element type of the catalogue table.
    pub fn table_dtype(&self) -> TableDtype {
        self.table.dtype()
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.backend.isa()
    }
}
