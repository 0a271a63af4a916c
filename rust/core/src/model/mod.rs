//! A loaded and checked model: config, weights, table, ids, and the active overlay.

mod added;
mod catalog;
mod kinds;
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
pub(crate) use view::{Vectors, View};
pub use vocabulary::ItemId;
pub(crate) use weights::{Block, Network, Order};

use std::sync::Arc;

use overlay::Active as ActiveOverlay;
use vocabulary::VocabularyLayout;

use crate::error::Cause;
use crate::loading::{Bytes, ModelFile, SelfTest};
use crate::simd::Backend;
use crate::{Config, Fingerprint, Isa, Result};

/// A loaded and checked model, shared between threads in an [`Arc`]. It is immutable, except that
/// an [`Overlay`](crate::Overlay) on its catalogue can be made active.
///
/// The file is untrusted input: sizes, dtypes, shapes and values are checked at load, and an
/// [`Error`](crate::Error) says what is wrong and where. [`Model::verify`] also recomputes the
/// fingerprint and replays the self-test.
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
    /// Loads the same file on another instruction set, without checking the instruction set.
    pub(crate) fn on(&self, backend: Backend) -> Result<Self> {
        Self::assemble(Arc::clone(&self.bytes), backend)
    }

    fn assemble(bytes: Arc<Bytes>, backend: Backend) -> Result<Self> {
        let ModelFile { config, fingerprint, mut tensors, .. } = ModelFile::parse(&bytes)?;
        let table = Table::take(&mut tensors, &config, &bytes)?;
        let vocabulary = VocabularyLayout::take(&mut tensors, config.num_items, &bytes)?;
        let network = Network::take(&mut tensors, &config)?;
        SelfTest::take(&mut tensors, &config)?;
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

    /// Checks that `what`, which states this fingerprint, was made for the model.
    pub(crate) fn check_fingerprint(&self, what: &'static str, found: Fingerprint) -> Result<()> {
        let expected = self.fingerprint;
        if found == expected {
            Ok(())
        } else {
            Err(Cause::OtherModel { what, found, expected }.into())
        }
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The fingerprint stated by the file. [`Model::verify`] checks it.
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
