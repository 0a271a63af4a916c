//! A loaded model.

use std::sync::Arc;

use crate::error::Result;
use crate::item::{ItemId, find, ids_of};
use crate::session::Session;

/// A loaded and checked model, which any number of sessions and threads may use.
///
/// Close it when no more sessions are to be made; those that there are keep what they need of it.
#[derive(uniffi::Object)]
pub struct Model {
    engine: Arc<recgrela::Model>,
}

#[uniffi::export]
impl Model {
    /// Reads a model file.
    #[uniffi::constructor]
    pub fn open(path: &str) -> Result<Self> {
        Ok(Self { engine: Arc::new(recgrela::Model::open(path)?) })
    }

    /// Maps a model file, which keeps a large catalogue out of the app's own memory.
    ///
    /// Nobody may write to the file or truncate it while the model is in use, or the app can crash:
    /// to update a model, write the new file beside the old one and rename it.
    #[uniffi::constructor]
    #[allow(unsafe_code)]
    pub fn open_mmap(path: &str) -> Result<Self> {
        // SAFETY: the documentation asks the caller to leave the file as it is.
        Ok(Self { engine: Arc::new(unsafe { recgrela::Model::open_mmap(path)? }) })
    }

    /// Loads a model from the bytes of its file, such as an asset of the app; they are copied.
    #[uniffi::constructor]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self { engine: Arc::new(recgrela::Model::from_bytes(bytes)?) })
    }

    /// Recomputes the fingerprint and replays the file's self-test; it reads the whole file. Worth
    /// its time once after a download.
    pub fn verify(&self) -> Result<()> {
        self.engine.verify()?;
        Ok(())
    }

    /// The model's identity: SHA-256 of its config and tensors, 64 hex digits.
    pub fn fingerprint(&self) -> String {
        self.engine.fingerprint().to_string()
    }

    /// The number of items in the catalogue.
    pub fn item_count(&self) -> i32 {
        // The format allows fewer than 2^31 items.
        self.engine.num_items() as i32
    }

    /// The ids of all items, in the order of the catalogue.
    pub fn item_ids(&self) -> Vec<ItemId> {
        let catalog = self.engine.catalog();
        ids_of(&catalog, 0..catalog.len() as u32)
    }

    /// Whether the model knows an item.
    pub fn contains(&self, item: &ItemId) -> bool {
        find(&self.engine.catalog(), item).is_some()
    }

    /// A user without history.
    pub fn new_session(&self) -> Arc<Session> {
        Arc::new(Session::new(recgrela::Session::new(Arc::clone(&self.engine))))
    }

    /// A session with the history of a snapshot of another model, such as of this one before it was
    /// retrained.
    ///
    /// `log` has the ids of all its events, the oldest first: they are replayed, but for those that
    /// this model does not know.
    pub fn migrate(&self, snapshot: Vec<u8>, log: Vec<ItemId>) -> Result<Arc<Session>> {
        let catalog = self.engine.catalog();
        let log: Vec<_> = log.iter().map(|id| find(&catalog, id)).collect();
        let session = recgrela::Session::migrate(Arc::clone(&self.engine), &snapshot, &log)?;
        Ok(Arc::new(Session::new(session)))
    }
}
