//! What has changed since the fleet's file was written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::OwnedUserId;

/// The number of the first save.
pub(super) const FIRST: u64 = 1;

/// Saves are numbered. A change carries the number of the save that comes next, so a save knows
/// what changed since any earlier one, also while it runs.
pub(super) struct Changes {
    next_save: AtomicU64,
    /// The users that were removed since the last save, each with the number of the next one then.
    /// Ordered, so that equal changes give equal files.
    removed: Mutex<BTreeMap<OwnedUserId, u64>>,
    file: Arc<Mutex<Option<Stored>>>,
}

/// The end of the file that was saved or loaded last.
pub(super) struct Stored {
    /// Where the next segment belongs.
    pub(super) length: u64,
    /// The checksum of the last segment.
    pub(super) checksum: [u8; 32],
    pub(super) log_capacity: usize,
    /// The number of the save.
    pub(super) save: u64,
}

impl Default for Changes {
    fn default() -> Self {
        Self { next_save: AtomicU64::new(FIRST), removed: Mutex::default(), file: Arc::default() }
    }
}

impl Changes {
    /// Nothing has changed since the file was loaded, which counts as the first save.
    pub(super) fn loaded(file: Stored) -> Self {
        let changes = Self { file: Arc::new(Mutex::new(Some(file))), ..Self::default() };
        changes.finish(changes.begin());
        changes
    }

    /// The number that a change carries.
    pub(super) fn number(&self) -> u64 {
        self.next_save.load(Ordering::Relaxed)
    }

    /// Starts a save, and returns its number.
    pub(super) fn begin(&self) -> u64 {
        self.next_save.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that all changes up to a save are in the file.
    pub(super) fn finish(&self, save: u64) {
        lock(&self.removed).retain(|_, removed| *removed > save);
    }

    /// Notes that a user was removed. Before the first save there is nothing to note.
    pub(super) fn remove(&mut self, user: OwnedUserId) {
        let number = self.number();
        if number > FIRST {
            lock(&self.removed).insert(user, number);
        }
    }

    /// The users that were removed after a save.
    pub(super) fn removed_after(&self, save: u64) -> Vec<OwnedUserId> {
        let removed = lock(&self.removed);
        removed
            .iter()
            .filter(|(_, removed)| **removed > save)
            .map(|(user, _)| user.clone())
            .collect()
    }

    /// The file, for one save at a time.
    pub(super) fn file(&self) -> Arc<Mutex<Option<Stored>>> {
        Arc::clone(&self.file)
    }
}

/// Values behind these locks change in one step, so a panic leaves them whole.
pub(super) fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
