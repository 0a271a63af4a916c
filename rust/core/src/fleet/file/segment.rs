//! Writes a segment.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::layout::{ALIGNMENT, CHECKSUM_BYTES, Kind, SEGMENT_BYTES, Segment};
use super::users::{write_id, write_user};
use crate::error::Cause;
use crate::fleet::changes::Stored;
use crate::fleet::{Fleet, UserId};
use crate::{Model, Result};

/// Users are copied into a buffer of about this size before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// Writes a segment at the file's position.
pub(super) struct SegmentWriter<'a> {
    file: &'a File,
    path: &'a Path,
    segment: Segment,
    buffer: Vec<u8>,
    hash: Sha256,
    start: u64,
    /// The largest item seen by the users.
    last: Option<u32>,
}

impl<'a> SegmentWriter<'a> {
    /// Leaves room for the header, which is known at the end.
    pub(super) fn begin(
        mut file: &'a File,
        path: &'a Path,
        before: &[u8],
        log_capacity: usize,
    ) -> Result<Self> {
        let start = file.stream_position().map_err(Cause::writing(path))?;
        file.write_all(&[0; SEGMENT_BYTES]).map_err(Cause::writing(path))?;
        let (length, log_capacity) = (SEGMENT_BYTES as u64, log_capacity as u64);
        let segment = Segment { length, log_capacity, ..Segment::default() };
        let hash = Sha256::new().chain_update(before);
        Ok(Self { file, path, segment, buffer: Vec::new(), hash, start, last: None })
    }

    fn is_full(&self) -> bool {
        self.buffer.len() >= BUFFER_BYTES
    }

    /// Adds a removed user. These come before all others.
    pub(super) fn remove(&mut self, user: UserId<'_>) -> Result<()> {
        self.segment.removed += 1;
        self.segment.kind = Kind::of(user);
        write_id(user, &mut self.buffer);
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Adds users to the buffer until it is full, those that the fleet has.
    pub(super) fn fill<'u>(
        &mut self,
        fleet: &Fleet,
        users: &mut impl Iterator<Item = UserId<'u>>,
    ) -> Result<()> {
        while !self.is_full()
            && let Some(user) = users.next()
        {
            self.add(fleet, user)?;
        }
        Ok(())
    }

    fn add(&mut self, fleet: &Fleet, user: UserId<'_>) -> Result<()> {
        let Some(slot) = fleet.users.slot(user)? else { return Ok(()) };
        let (record, state) = (&fleet.records[slot], fleet.arena.of(slot));
        if state.iter().any(|number| !number.is_finite()) {
            return Err(Cause::FleetOverflow { user: user.to_string() }.into());
        }
        self.segment.users += 1;
        self.segment.kind = Kind::of(user);
        // It can change while the segment is written.
        self.segment.log_capacity = self.segment.log_capacity.max(fleet.log_capacity as u64);
        self.last = self.last.max(record.seen.last().copied());
        write_user(user, record, state, fleet.model.config().gaps, &mut self.buffer);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.segment.length += self.buffer.len() as u64;
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer).map_err(Cause::writing(self.path))?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes padding, checksum and header, and commits them by the header's first word. `save` is
    /// the number of the save.
    pub(super) fn commit(mut self, model: &Model, save: u64) -> Result<Stored> {
        let length = self.segment.length + self.buffer.len() as u64;
        let padding = length.next_multiple_of(ALIGNMENT) - length;
        self.buffer.extend(std::iter::repeat_n(0, padding as usize));
        self.flush()?;
        self.segment.length += CHECKSUM_BYTES as u64;
        self.segment.added = model.added_up_to(self.last);
        let header = self.segment.to_bytes();
        let checksum: [u8; CHECKSUM_BYTES] = self.hash.chain_update(header).finalize().into();
        let mut file = self.file;
        let (word, rest) = header.split_at(ALIGNMENT as usize);
        let mut write = || {
            file.write_all(&checksum)?;
            file.seek(SeekFrom::Start(self.start + ALIGNMENT))?;
            file.write_all(rest)?;
            // The disk must have the segment before the word that commits it.
            file.sync_all()?;
            file.seek(SeekFrom::Start(self.start))?;
            file.write_all(word)?;
            file.sync_all()
        };
        write().map_err(Cause::writing(self.path))?;
        let length = self.start + self.segment.length;
        Ok(Stored { length, checksum, log_capacity: self.segment.log_capacity as usize, save })
    }
}
