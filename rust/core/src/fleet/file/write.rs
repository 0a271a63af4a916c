//! Saves a fleet to a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, RwLock};

use sha2::{Digest, Sha256};

use super::layout::{CHECKSUM_BYTES, HEADER_BYTES, write_header};
use super::segment::SegmentWriter;
use crate::error::Cause;
use crate::fleet::Fleet;
use crate::fleet::changes::{Stored, lock};
use crate::fleet::users::Name;
use crate::saving::{self, Readers};
use crate::{Model, Result};

impl Fleet {
    /// Writes all users to a file. The file is written beside `path` and then renamed, so at any
    /// time there is the old file or the new one. On Unix, a new file is readable by its owner
    /// only, and a replaced one keeps its mode.
    ///
    /// A state can overflow to infinity only with extreme weights or overlay vectors. A user with
    /// such a state is an error, since the file could not be loaded; [`Fleet::remove`] removes it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(self, path.as_ref())
    }

    /// Appends the users that have changed since the last save to the file, as far as they differ
    /// from it: the rest of the file is not written again. If the process is killed meanwhile, the
    /// file has all that it had before. Histories of removed users and former states stay in the
    /// file until [`Fleet::save`] writes it anew.
    ///
    /// Returns an error if the file is not as this fleet saved or loaded it last.
    pub fn save_changes(&self, path: impl AsRef<Path>) -> Result<()> {
        save_changes(self, path.as_ref())
    }

    /// [`Fleet::save`] for a fleet that other threads use meanwhile. The lock is held for reading,
    /// and only for moments, so queries and events need not wait. Each user is stored as of some
    /// moment during the call; later changes are those of the next [`Fleet::save_changes`].
    pub fn save_shared(fleet: &RwLock<Self>, path: impl AsRef<Path>) -> Result<()> {
        save(fleet, path.as_ref())
    }

    /// [`Fleet::save_changes`] for a fleet that other threads use meanwhile.
    pub fn save_changes_shared(fleet: &RwLock<Self>, path: impl AsRef<Path>) -> Result<()> {
        save_changes(fleet, path.as_ref())
    }
}

/// A fleet that a save looks at for moments.
trait Access {
    fn look<R>(&self, look: impl FnOnce(&Fleet) -> R) -> Result<R>;
}

impl Access for Fleet {
    fn look<R>(&self, look: impl FnOnce(&Fleet) -> R) -> Result<R> {
        Ok(look(self))
    }
}

impl Access for RwLock<Fleet> {
    fn look<R>(&self, look: impl FnOnce(&Fleet) -> R) -> Result<R> {
        let fleet = self.read().map_err(|_| Cause::FleetPoisoned)?;
        Ok(look(&fleet))
    }
}

fn save(fleet: &impl Access, path: &Path) -> Result<()> {
    let file = fleet.look(|fleet| fleet.changes.file())?;
    let mut stored = lock(&file);
    let plan = fleet.look(|fleet| Plan::new(fleet, None))?;
    let new = saving::replace(path, Readers::Owner, |mut file| {
        let header = write_header(&plan.model);
        file.write_all(&header).map_err(Cause::writing(path))?;
        plan.write(fleet, file, path, Sha256::digest(header).into())
    })?;
    *stored = Some(new);
    fleet.look(|fleet| fleet.changes.finish(plan.save))
}

fn save_changes(fleet: &impl Access, path: &Path) -> Result<()> {
    let file = fleet.look(|fleet| fleet.changes.file())?;
    let mut stored = lock(&file);
    let Some(old) = &*stored else { return Err(Cause::FleetUnsaved.into()) };
    let plan = fleet.look(|fleet| Plan::new(fleet, Some(old.save)))?;
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
    fleet.look(|fleet| fleet.changes.finish(plan.save))
}

/// Opens the file to append to it, after what it is known to hold.
fn reopen(path: &Path, model: &Model, old: &Stored) -> Result<File> {
    let reading = Cause::reading(path);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(&reading)?;
    let mut header = [0; HEADER_BYTES];
    let mut end = [0; CHECKSUM_BYTES + 8];
    let length = file.metadata().map_err(&reading)?.len();
    let mut same = length >= old.length;
    if same {
        file.read_exact(&mut header).map_err(&reading)?;
        file.seek(SeekFrom::Start(old.length - CHECKSUM_BYTES as u64)).map_err(&reading)?;
        // The first word after it is zero unless another segment was committed.
        let rest = CHECKSUM_BYTES + (length - old.length).min(8) as usize;
        file.read_exact(&mut end[..rest]).map_err(&reading)?;
        let (checksum, next) = end.split_at(CHECKSUM_BYTES);
        let end = length == old.file_length || *next == [0; 8];
        same = header == write_header(model) && *checksum == old.checksum && end;
    }
    if !same {
        return Err(Cause::FleetChanged { path: path.to_owned() }.into());
    }
    file.set_len(old.length).map_err(Cause::writing(path))?;
    file.seek(SeekFrom::Start(old.length)).map_err(Cause::writing(path))?;
    Ok(file)
}

/// What a save writes.
struct Plan {
    model: Arc<Model>,
    users: Vec<Name>,
    removed: Vec<Name>,
    log_capacity: usize,
    /// The number of this save.
    save: u64,
}

impl Plan {
    /// Everything, or what changed after a save.
    fn new(fleet: &Fleet, after: Option<u64>) -> Self {
        let changed = |&slot: &usize| after.is_none_or(|save| fleet.records[slot].changed > save);
        let users = (0..fleet.len()).filter(changed);
        let removed = after.into_iter().flat_map(|save| fleet.changes.removed_after(save));
        Self {
            model: Arc::clone(&fleet.model),
            users: users.filter_map(|slot| fleet.users.name(slot)).collect(),
            removed: removed.cloned().collect(),
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
            writer.remove(user.view())?;
        }
        let mut users = self.users.iter().map(Name::view);
        while users.len() > 0 {
            fleet.look(|fleet| writer.fill(fleet, &mut users))??;
            writer.flush()?;
        }
        let (length, checksum) = writer.commit(&self.model)?;
        let log_capacity = self.log_capacity;
        Ok(Stored { length, file_length: length, checksum, log_capacity, save: self.save })
    }
}
