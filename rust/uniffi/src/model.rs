//! A loaded model.

use std::sync::Arc;

use recgrela::{Groups, Overlay};

use crate::config::Config;
use crate::error::{RecgrelaError, Result};
use crate::event::{Details, known_events_of};
use crate::item::{ItemId, ModelGroups, find, ids_of, indices_of};
use crate::session::Session;

/// A loaded and checked model, for any number of sessions and threads.
///
/// Close it when you need no more new sessions; existing sessions remain usable.
#[derive(uniffi::Object)]
pub struct Model {
    engine: Arc<recgrela::Model>,
    groups: Arc<ModelGroups>,
}

impl Model {
    fn new(model: recgrela::Model) -> Self {
        Self { engine: Arc::new(model), groups: Arc::default() }
    }

    fn started(&self, session: recgrela::Session) -> Arc<Session> {
        Arc::new(Session::new(session, Arc::clone(&self.groups)))
    }

    /// Changes the overlay at some items.
    fn change(
        &self,
        items: &[ItemId],
        mut change: impl FnMut(&mut Overlay, &[u32]) -> recgrela::Result<()>,
    ) -> Result<()> {
        let items = indices_of(&self.engine.catalog(), items)?;
        Ok(self.engine.update_overlay(|overlay| change(overlay, &items))?)
    }

    /// The items that were changed in one way.
    fn changed(&self, which: fn(&Overlay) -> &[u32]) -> Vec<ItemId> {
        let catalog = self.engine.catalog();
        let found = catalog.overlay().map_or(&[][..], which);
        ids_of(&catalog, found.iter().copied())
    }
}

#[uniffi::export]
impl Model {
    /// Loads a model file into memory.
    #[uniffi::constructor]
    pub fn open(path: &str) -> Result<Self> {
        Ok(Self::new(recgrela::Model::open(path)?))
    }

    /// Memory-maps a model file, which keeps a large catalogue out of the app's own memory.
    ///
    /// The file must not be written to or truncated while the model is in use, or the app can crash.
    /// To update a model, write the new file beside the old one and rename it.
    #[uniffi::constructor]
    #[allow(unsafe_code)]
    pub fn open_mmap(path: &str) -> Result<Self> {
        // SAFETY: the documentation forbids changing the file.
        Ok(Self::new(unsafe { recgrela::Model::open_mmap(path)? }))
    }

    /// Loads a model from the bytes of its file, such as an asset of the app. The bytes are copied.
    #[uniffi::constructor]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self::new(recgrela::Model::from_bytes(bytes)?))
    }

    /// Recomputes the fingerprint and replays the self-test. It reads the whole file: call it once,
    /// after a download.
    pub fn verify(&self) -> Result<()> {
        self.engine.verify()?;
        Ok(())
    }

    /// Replays the file's self-test on every instruction set of this CPU, and compares states, scores
    /// and lists bit by bit with portable code; a difference is an error. Returns the names of the
    /// instruction sets.
    pub fn compare_isas(&self) -> Result<Vec<String>> {
        let compared = self.engine.compare_isas()?;
        Ok(compared.isas.iter().map(|isa| isa.name().to_owned()).collect())
    }

    /// The architecture.
    pub fn config(&self) -> Config {
        self.engine.config().into()
    }

    /// The type of the item table: `f32`, `f16` or `int8`.
    pub fn table_dtype(&self) -> String {
        self.engine.table_dtype().to_string()
    }

    /// The instruction set in use, such as `neon`. Results are bit-identical on all.
    pub fn isa(&self) -> String {
        self.engine.isa().name().to_owned()
    }

    /// The model's identity: SHA-256 of its config and tensors, 64 hex digits.
    pub fn fingerprint(&self) -> String {
        self.engine.fingerprint().to_string()
    }

    /// The number of items in the catalogue, with added and retired ones.
    pub fn item_count(&self) -> i32 {
        // There are fewer than 2^31.
        self.engine.catalog().len() as i32
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

    /// The vectors of items, as `addItems` takes them.
    pub fn item_vectors(&self, items: Vec<ItemId>) -> Result<Vec<Vec<f32>>> {
        let items = indices_of(&self.engine.catalog(), &items)?;
        let vectors = self.engine.item_vectors(&items)?;
        let each = vectors.chunks_exact(self.engine.config().hidden_size);
        Ok(each.map(<[f32]>::to_vec).collect())
    }

    /// The names of the kinds of events, such as view, cart and buy; empty if events have no kinds.
    pub fn kinds(&self) -> Vec<String> {
        self.engine.config().kinds.clone()
    }

    /// Whether the time between events is an input of the model, so that each event needs its time.
    pub fn uses_times(&self) -> bool {
        self.engine.config().gaps
    }

    /// Whether a session recommends before its first event, from a start vector that the model
    /// learned.
    pub fn has_start(&self) -> bool {
        self.engine.config().start
    }

    /// A new session without history.
    pub fn new_session(&self) -> Arc<Session> {
        self.started(recgrela::Session::new(Arc::clone(&self.engine)))
    }

    /// A new session with the history of a snapshot of another model, such as the one before
    /// retraining.
    ///
    /// `log` has the item ids of all its events, oldest first; `kinds` and `times` are as in `extend` of
    /// a session. They are replayed; items that this model does not know are skipped.
    #[uniffi::method(default(kinds = None, times = None))]
    pub fn migrate(
        &self,
        snapshot: Vec<u8>,
        log: Vec<ItemId>,
        kinds: Option<Vec<String>>,
        times: Option<Vec<i64>>,
    ) -> Result<Arc<Session>> {
        let details = Details { kinds: kinds.as_deref(), times: times.as_deref() };
        let log = known_events_of(&self.engine, &log, details)?;
        let session = recgrela::Session::migrate(Arc::clone(&self.engine), &snapshot, &log)?;
        Ok(self.started(session))
    }

    /// Sets the group of each item, in the order of `itemIds`, for `maxPerGroup` of a filter in all
    /// sessions. Groups are any numbers. Added items without a group are one group together.
    pub fn set_groups(&self, groups: Vec<i64>) -> Result<()> {
        self.groups.set(Groups::new(&self.engine, &groups)?);
        Ok(())
    }

    /// Adds items, with a vector for each. If an item exists, its vector is replaced. Retired items
    /// are reinstated. All sessions see a change from their next call on.
    pub fn add_items(&self, items: Vec<ItemId>, vectors: Vec<Vec<f32>>) -> Result<()> {
        let size = self.engine.config().hidden_size;
        if let Some(wrong) = vectors.iter().find(|vector| vector.len() != size) {
            let found = wrong.len();
            let message = format!("vectors: found one of {found} numbers, expected {size} each");
            return Err(RecgrelaError::InvalidOverlay(message));
        }
        let ids: Vec<_> = items.iter().map(ItemId::engine).collect();
        let vectors = vectors.concat();
        let add = |overlay: &mut Overlay| overlay.add(&ids, &vectors);
        self.engine.update_overlay(add).map_err(RecgrelaError::of_overlay)?;
        Ok(())
    }

    /// Retires items: they are no longer recommended. Histories may still contain them.
    pub fn retire(&self, items: Vec<ItemId>) -> Result<()> {
        self.change(&items, Overlay::retire)
    }

    /// Reinstates retired items.
    pub fn reinstate(&self, items: Vec<ItemId>) -> Result<()> {
        self.change(&items, Overlay::reinstate)
    }

    /// The retired items, in catalogue order.
    pub fn retired(&self) -> Vec<ItemId> {
        self.changed(Overlay::retired)
    }

    /// The items of the model file whose vector was replaced, in catalogue order.
    pub fn replaced(&self) -> Vec<ItemId> {
        self.changed(Overlay::replaced)
    }

    /// The added items, in the order in which they were added.
    pub fn added(&self) -> Vec<ItemId> {
        let catalog = self.engine.catalog();
        ids_of(&catalog, self.engine.num_items() as u32..catalog.len() as u32)
    }

    /// All changes of the catalogue as the bytes of an overlay file.
    pub fn overlay(&self) -> Vec<u8> {
        self.engine.overlay_bytes()
    }

    /// Replaces all changes of the catalogue by those of an overlay file. It must be of this model,
    /// and have the items that were added here, which sessions may have seen.
    pub fn set_overlay(&self, overlay: Vec<u8>) -> Result<()> {
        let overlay = Overlay::from_bytes(&self.engine, &overlay);
        let set = overlay.and_then(|overlay| self.engine.set_overlay(overlay));
        set.map_err(RecgrelaError::of_overlay)
    }
}
