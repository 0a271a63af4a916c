//! Loads a fleet from its file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::layout::{
    CHECKSUM_BYTES, HEADER_BYTES, SEGMENT_BYTES, Segment, check_header, long, refuse,
};
use super::source::{Body, Source};
use super::users::{Limits, read_id, read_user};
use crate::error::Cause;
use crate::fleet::changes::{Changes, FIRST, Stored};
use crate::fleet::{Fleet, UserId};
use crate::{Model, Result};

impl Fleet {
    /// Loads a fleet written by [`Fleet::save`], with the changes that [`Fleet::save_changes`]
    /// appended. All further results have the same bits as if it had never been stored. A damaged
    /// file or one of another model is an error.
    ///
    /// Changes whose save was interrupted are not loaded: [`Fleet::interrupted_bytes`].
    pub fn open(path: impl AsRef<Path>, model: Arc<Model>) -> Result<Self> {
        let path = path.as_ref();
        let io = Cause::reading(path);
        let file = File::open(path).map_err(&io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut source = Source::new(file, path);
        let mut fleet = Self::new(model);
        let least = (HEADER_BYTES + SEGMENT_BYTES + CHECKSUM_BYTES) as u64;
        if length < least {
            return refuse(format!("{length} bytes"), format!("at least {least}"));
        }
        let header = source.take()?;
        check_header(&header, &fleet.model)?;
        let mut checksum = Sha256::digest(header).into();
        let mut offset = HEADER_BYTES as u64;
        let mut first = true;
        while let Some(segment) = next_segment(&mut source, length - offset, first)? {
            checksum = fleet.read_segment(&mut source, &segment, checksum, first)?;
            offset += segment.length;
            first = false;
        }
        fleet.changes = Changes::loaded(Stored {
            length: offset,
            checksum,
            log_capacity: fleet.log_capacity,
            save: FIRST,
        });
        fleet.interrupted_bytes = length - offset;
        Ok(fleet)
    }

    /// The bytes at the end of the file that [`Fleet::open`] did not load, because
    /// [`Fleet::save_changes`] was interrupted while it wrote them. The next one overwrites them.
    pub fn interrupted_bytes(&self) -> u64 {
        self.interrupted_bytes
    }

    /// Reads a segment after its header, and returns its checksum.
    fn read_segment(
        &mut self,
        source: &mut Source<'_>,
        segment: &Segment,
        before: [u8; CHECKSUM_BYTES],
        first: bool,
    ) -> Result<[u8; CHECKSUM_BYTES]> {
        self.model.check_added(&segment.added)?;
        let log_capacity = usize::try_from(segment.log_capacity).unwrap_or(usize::MAX);
        if log_capacity != self.log_capacity {
            self.set_log_capacity(log_capacity);
        }
        let hash = Sha256::new().chain_update(before);
        let left = segment.length - (SEGMENT_BYTES + CHECKSUM_BYTES) as u64;
        let mut body = Body { source, hash, left };
        if first && segment.removed > 0 {
            return refuse(format!("{} removed users in the first segment", segment.removed), 0);
        }
        for _ in 0..segment.removed {
            let user = read_id(&mut body, segment.kind)?;
            self.check_kind((&user).into())?;
            self.remove(&user)?;
        }
        self.read_users(&mut body, segment, first)?;
        body.padding()?;
        let header = segment.to_bytes();
        let computed: [u8; CHECKSUM_BYTES] = body.hash.chain_update(header).finalize().into();
        if source.take()? != computed {
            return Err(Cause::FleetChecksum.into());
        }
        Ok(computed)
    }

    fn read_users(
        &mut self,
        body: &mut Body<'_, '_>,
        segment: &Segment,
        first: bool,
    ) -> Result<()> {
        let num_items = self.model.num_items() + segment.added.count as usize;
        let config = self.model.config();
        let limits = Limits {
            num_items,
            num_kinds: config.kinds.len(),
            times: config.gaps,
            log_capacity: segment.log_capacity,
        };
        for _ in 0..segment.users {
            let id = read_id(body, segment.kind)?;
            let user = (&id).into();
            self.check_kind(user)?;
            if first && self.contains(user) {
                return refuse(format!("user {user} twice"), "each user once");
            }
            self.add(std::iter::once(user))?;
            let slot = self.slots[0] as usize;
            let state = self.arena.of_mut(slot);
            let mut record = read_user(body, user, &limits, state)?;
            record.log.set_capacity(self.log_capacity);
            self.records[slot] = record;
        }
        Ok(())
    }

    fn check_kind(&self, user: UserId<'_>) -> Result<()> {
        match self.users.slot(user) {
            Ok(_) => Ok(()),
            Err(error) => refuse(error.to_string(), "ids of one kind"),
        }
    }
}

/// The header of the next segment, `None` at the end and before a segment that was not committed.
/// `left` is the number of bytes left in the file. The first segment must be whole.
pub(super) fn next_segment(
    source: &mut Source<'_>,
    left: u64,
    first: bool,
) -> Result<Option<Segment>> {
    if left < SEGMENT_BYTES as u64 {
        return Ok(None);
    }
    let header = source.take()?;
    if long(&header, 0) == 0 && !first {
        // Nothing can follow a segment that was not committed.
        return match long(&header, 8) {
            length @ 1.. if length < left => refuse("a segment of 0 bytes", length),
            _ => Ok(None),
        };
    }
    let segment = Segment::parse(&header)?;
    match (segment.length <= left, first) {
        (true, _) => Ok(Some(segment)),
        (false, true) => refuse(format!("{left} bytes"), segment.length),
        (false, false) => Ok(None),
    }
}
