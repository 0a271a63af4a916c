//! Saves a fleet to a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, RwLock};

use sha2::{Digest, Sha256};

use super::layout::{CHECKSUM_BYTES, HEADER_BYTES, write_header};
use super::read::next_segment;
use super::segment::SegmentWriter;
use super::source::Source;
use crate::error::Cause;
use crate::fleet::changes::{Stored, lock};
use crate::fleet::{Fleet, OwnedUserId};
use crate::saving::{self, Readers};
use crate::{Model, Result};

impl Fleet {
    /// Writes all users to a file. The file is written beside `path` and then renamed, so at any
    /// time either the old file or the new one is there. On Unix, a new file is readable by its
    /// owner only, and a replaced one keeps its mode.
    ///
    /// A state can overflow to infinity only with extreme weights or overlay vectors. A user with
    /// such a state is an error, since the file could not be loaded; [`Fleet::remove`] removes it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(self, path.as_ref())
    }

    /// Appends the users that have changed since the last save to the file. The rest of the file is
    /// not rewritten. If the process is killed during the call, the earlier contents of the file
    /// stay valid. Histories of removed users and former states stay in the file until
    /// [`Fleet::save`] rewrites it.
    ///
    /// Returns an error if the file is not as this fleet saved or loaded it last, and if another
    /// fleet appends to it at the same time.
    pub fn save_changes(&self, path: impl AsRef<Path>) -> Result<()> {
        save_changes(self, path.as_ref())
    }

    /// [`Fleet::save`] for a fleet that other threads use at the same time. The read lock is held
    /// only for short intervals: once to list the users, in time proportional to their number, and
    /// then to copy about 256 KiB at a time. Each user's data is consistent, but different users
    /// may be saved at different moments. Changes after a user was saved are saved by the next
    /// [`Fleet::save_changes`].
    pub fn save_shared(fleet: &RwLock<Self>, path: impl AsRef<Path>) -> Result<()> {
        save(fleet, path.as_ref())
    }

    /// [`Fleet::save_changes`] for a fleet that other threads use at the same time.
    pub fn save_changes_shared(fleet: &RwLock<Self>, path: impl AsRef<Path>) -> Result<()> {
        save_changes(fleet, path.as_ref())
    }
}

/// A fleet that a save reads in short intervals.
trait Access {
    fn read<R>(&self, work: impl FnOnce(&Fleet) -> R) -> Result<R>;
}

impl Access for Fleet {
    fn read<R>(&self, work: impl FnOnce(&Fleet) -> R) -> Result<R> {
        Ok(work(self))
    }
}

impl Access for RwLock<Fleet> {
    fn read<R>(&self, work: impl FnOnce(&Fleet) -> R) -> Result<R> {
        let fleet = RwLock::read(self).map_err(|_| Cause::FleetPoisoned)?;
        Ok(work(&fleet))
    }
}

fn save(fleet: &impl Access, path: &Path) -> Result<()> {
    let file = fleet.read(|fleet| fleet.changes.file())?;
    let mut stored = lock(&file);
    let plan = fleet.read(|fleet| Plan::new(fleet, None))?;
    let new = saving::replace(path, Readers::Owner, |mut file| {
        let header = write_header(&plan.model);
        file.write_all(&header).map_err(Cause::writing(path))?;
        plan.write(fleet, file, path, Sha256::digest(header).into())
    })?;
    *stored = Some(new);
    fleet.read(|fleet| fleet.changes.finish(plan.save))
}

fn save_changes(fleet: &impl Access, path: &Path) -> Result<()> {
    let file = fleet.read(|fleet| fleet.changes.file())?;
    let mut stored = lock(&file);
    let Some(old) = &*stored else { return Err(Cause::FleetUnsaved.into()) };
    let plan = fleet.read(|fleet| Plan::new(fleet, Some(old.save)))?;
    let file = reopen(path, &plan.model, old)?;
    if plan.users.is_empty() && plan.removed.is_empty() && plan.log_capacity == old.log_capacity {
        return Ok(());
    }
    let new = plan.write(fleet, &file, path, old.checksum);
    if new.is_err() {
        // What was written is not committed. The first error is the one to report.
        let _ = file.set_len(old.length);
    }
    *stored = Some(new?);
    fleet.read(|fleet| fleet.changes.finish(plan.save))
}

/// Opens the file to append to it, after what it is known to hold. It stays locked while it is open.
fn reopen(path: &Path, model: &Model, old: &Stored) -> Result<File> {
    let writing = Cause::writing(path);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(&writing)?;
    // Without locks, as in some file systems, the check below has to do.
    let locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if locked || !is_as_stored(&file, path, model, old)? {
        return Err(Cause::FleetChanged { path: path.to_owned() }.into());
    }
    file.set_len(old.length).map_err(&writing)?;
    file.seek(SeekFrom::Start(old.length)).map_err(&writing)?;
    Ok(file)
}

/// Whether a file ends as it was saved or loaded last, apart from an incomplete segment.
fn is_as_stored(file: &File, path: &Path, model: &Model, old: &Stored) -> Result<bool> {
    let reading = Cause::reading(path);
    let length = file.metadata().map_err(&reading)?.len();
    if length < old.length {
        return Ok(false);
    }
    let mut source = Source::new(file.try_clone().map_err(&reading)?, path);
    let header: [u8; HEADER_BYTES] = source.take()?;
    source.seek(old.length - CHECKSUM_BYTES as u64)?;
    let checksum: [u8; CHECKSUM_BYTES] = source.take()?;
    let same = header == write_header(model) && checksum == old.checksum;
    Ok(same && matches!(next_segment(&mut source, length - old.length, false), Ok(None)))
}

/// What a save writes.
struct Plan {
    model: Arc<Model>,
    users: Vec<OwnedUserId>,
    removed: Vec<OwnedUserId>,
    log_capacity: usize,
    /// The number of this save.
    save: u64,
}

impl Plan {
    /// Everything, or what changed after a save.
    fn new(fleet: &Fleet, after: Option<u64>) -> Self {
        let changed = |&slot: &usize| after.is_none_or(|save| fleet.records[slot].changed > save);
        let users = (0..fleet.len()).filter(changed);
        Self {
            model: Arc::clone(&fleet.model),
            users: users.filter_map(|slot| fleet.users.owned_id(slot)).collect(),
            removed: after.map_or_else(Vec::new, |save| fleet.changes.removed_after(save)),
            log_capacity: fleet.log_capacity,
            save: fleet.changes.begin(),
        }
    }

    /// Writes and commits a segment. Users removed meanwhile are left out.
    fn write(
        &self,
        fleet: &impl Access,
        file: &File,
        path: &Path,
        before: [u8; CHECKSUM_BYTES],
    ) -> Result<Stored> {
        let mut writer = SegmentWriter::begin(file, path, &before, self.log_capacity)?;
        for user in &self.removed {
            writer.remove(user.into())?;
        }
        let mut users = self.users.iter().map(Into::into);
        while users.len() > 0 {
            fleet.read(|fleet| writer.fill(fleet, &mut users))??;
            writer.flush()?;
        }
        writer.commit(&self.model, self.save)
    }
}
