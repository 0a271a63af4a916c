//! A loaded model.

use std::sync::Arc;

use crate::error::Result;
use crate::event::known_events_of;
use crate::item::{ItemId, find, ids_of};
use crate::session::Session;

/// A loaded and checked model, for any number of sessions and threads.
///
/// Close it when you need no more new sessions; existing sessions remain usable.
#[derive(uniffi::Object)]
pub struct Model {
    engine: Arc<recgrela::Model>,
}

#[uniffi::export]
impl Model {
    /// Loads a model file into memory.
    #[uniffi::constructor]
    pub fn open(path: &str) -> Result<Self> {
        Ok(Self { engine: Arc::new(recgrela::Model::open(path)?) })
    }

    /// Memory-maps a model file, which keeps a large catalogue out of the app's own memory.
    ///
    /// The file must not be written to or truncated while the model is in use, or the app can crash.
    /// To update a model, write the new file beside the old one and rename it.
    #[uniffi::constructor]
    #[allow(unsafe_code)]
    pub fn open_mmap(path: &str) -> Result<Self> {
        // SAFETY: the documentation forbids changing the file.
        Ok(Self { engine: Arc::new(unsafe { recgrela::Model::open_mmap(path)? }) })
    }

    /// Loads a model from the bytes of its file, such as an asset of the app. The bytes are copied.
    #[uniffi::constructor]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self { engine: Arc::new(recgrela::Model::from_bytes(bytes)?) })
    }

    /// Recomputes the fingerprint and replays the self-test. It reads the whole file: call it once,
    /// after a download.
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

    /// The ids of all items, in catalogue order.
    pub fn item_ids(&self) -> Vec<ItemId> {
        let catalog = self.engine.catalog();
        ids_of(&catalog, 0..catalog.len() as u32)
    }

    /// Whether the model knows an item.
    pub fn contains(&self, item: &ItemId) -> bool {
        find(&self.engine.catalog(), item).is_some()
    }

    /// The names of the kinds of events, such as view, cart and buy; empty if events have no kinds.
    pub fn kinds(&self) -> Vec<String> {
        self.engine.config().kinds.clone()
    }

    /// Whether a session recommends before its first event, from a start vector that the model
    /// learned.
    pub fn has_start(&self) -> bool {
        self.engine.config().start
    }

    /// A new session without history.
    pub fn new_session(&self) -> Arc<Session> {
        Arc::new(Session::new(recgrela::Session::new(Arc::clone(&self.engine))))
    }

    /// A new session with the history of a snapshot of another model, such as the one before
    /// retraining.
    ///
    /// `log` has the item ids of all its events, oldest first, and `kinds` their kinds if this model
    /// has kinds. They are replayed; items that this model does not know are skipped.
    #[uniffi::method(default(kinds = None))]
    pub fn migrate(
        &self,
        snapshot: Vec<u8>,
        log: Vec<ItemId>,
        kinds: Option<Vec<String>>,
    ) -> Result<Arc<Session>> {
        let log = known_events_of(&self.engine, &log, kinds.as_deref())?;
        let session = recgrela::Session::migrate(Arc::clone(&self.engine), &snapshot, &log)?;
        Ok(Arc::new(Session::new(session)))
    }
}
