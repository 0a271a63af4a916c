//! What has changed since the fleet's file was written.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::users::Name;

/// The number of the first save.
pub(super) const FIRST: u64 = 1;

/// Saves are numbered. A change carries the number of the save that comes next, so a save knows
/// what changed since any earlier one, also while it runs.
pub(super) struct Changes {
    next_save: AtomicU64,
    /// The number of the last save that was finished; 0 for none.
    saved: AtomicU64,
    /// Removed users, each with the number of the next save, in order of removal.
    removed: VecDeque<(Name, u64)>,
    file: Arc<Mutex<Option<Stored>>>,
}

/// The end of the file that was saved or loaded last.
pub(super) struct Stored {
    /// Where the next segment belongs.
    pub(super) length: u64,
    /// The length of the file, with the remains of an interrupted save.
    pub(super) file_length: u64,
    /// The checksum of the last segment.
    pub(super) checksum: [u8; 32],
    pub(super) log_capacity: usize,
    /// The number of the save.
    pub(super) save: u64,
}

impl Default for Changes {
    fn default() -> Self {
        let (next_save, saved) = (AtomicU64::new(FIRST), AtomicU64::new(0));
        Self { next_save, saved, removed: VecDeque::new(), file: Arc::default() }
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
        self.saved.store(save, Ordering::Relaxed);
    }

    /// Notes that a user was removed. Before the first save there is nothing to note.
    pub(super) fn remove(&mut self, user: Name) {
        let (saved, number) = (*self.saved.get_mut(), self.number());
        if number == FIRST {
            return;
        }
        while self.removed.front().is_some_and(|(_, removed)| *removed <= saved) {
            self.removed.pop_front();
        }
        self.removed.push_back((user, number));
    }

    /// The users that were removed after a save.
    pub(super) fn removed_after(&self, save: u64) -> impl Iterator<Item = &Name> {
        self.removed.iter().filter(move |(_, removed)| *removed > save).map(|(user, _)| user)
    }

    /// The file, for one save at a time.
    pub(super) fn file(&self) -> Arc<Mutex<Option<Stored>>> {
        Arc::clone(&self.file)
    }
}

/// What is stored is replaced in one step, so a panic leaves it whole.
pub(super) fn lock(file: &Mutex<Option<Stored>>) -> MutexGuard<'_, Option<Stored>> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
