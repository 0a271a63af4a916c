//! Saves a fleet to a file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::layout::{ALIGNMENT, CHECKSUM_BYTES, Kind, SEGMENT_BYTES, Segment, write_header};
use super::users::write_user;
use crate::error::Cause;
use crate::fleet::Fleet;
use crate::saving::{self, Readers};
use crate::{Error, Result};

/// Users are copied into a buffer of about this size before they are written.
const BUFFER_BYTES: usize = 1 << 20;

impl Fleet {
    /// Writes all users to a file. The file is written beside `path` and then renamed, so at any
    /// time there is the old file or the new one. On Unix, a new file is readable by its owner
    /// only, and a replaced one keeps its mode.
    ///
    /// A state can overflow to infinity only with extreme weights or overlay vectors. A user with
    /// such a state is an error, since the file could not be loaded; [`Fleet::remove`] removes it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        if let Some(error) = (0..self.len()).find_map(|slot| self.overflow(slot)) {
            return Err(error);
        }
        saving::replace(path.as_ref(), Readers::Owner, |file| self.write(file))
    }

    fn overflow(&self, slot: usize) -> Option<Error> {
        let finite = self.arena.of(slot).iter().all(|number| number.is_finite());
        let user = (!finite).then(|| self.users.id(slot)).flatten()?.to_string();
        Some(Cause::FleetOverflow { user }.into())
    }

    fn write(&self, mut file: &File) -> io::Result<()> {
        let header = write_header(&self.model);
        file.write_all(&header)?;
        let mut writer = SegmentWriter::begin(file, &Sha256::digest(header))?;
        let mut last = None;
        for (slot, record) in self.records.iter().enumerate() {
            let Some(user) = self.users.id(slot) else { break };
            writer.segment.users += 1;
            writer.segment.kind = Kind::of(Some(user));
            last = last.max(record.seen.last().copied());
            write_user(user, record, self.arena.of(slot), &mut writer.buffer);
            writer.flush_if_full()?;
        }
        writer.segment.added = self.model.added_up_to(last);
        writer.commit()
    }
}

/// Writes a segment at the file's position.
struct SegmentWriter<'a> {
    file: &'a File,
    segment: Segment,
    buffer: Vec<u8>,
    hash: Sha256,
    start: u64,
}

impl<'a> SegmentWriter<'a> {
    /// Leaves room for the header, which is known at the end.
    fn begin(mut file: &'a File, before: &[u8]) -> io::Result<Self> {
        let start = file.stream_position()?;
        file.write_all(&[0; SEGMENT_BYTES])?;
        let segment = Segment { length: SEGMENT_BYTES as u64, ..Segment::default() };
        let hash = Sha256::new().chain_update(before);
        Ok(Self { file, segment, buffer: Vec::new(), hash, start })
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.segment.length += self.buffer.len() as u64;
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes padding and checksum, and then the header.
    fn commit(mut self) -> io::Result<()> {
        let length = self.segment.length + self.buffer.len() as u64;
        let padding = length.next_multiple_of(ALIGNMENT) - length;
        self.buffer.extend(std::iter::repeat_n(0, padding as usize));
        self.flush()?;
        self.segment.length += CHECKSUM_BYTES as u64;
        let header = self.segment.to_bytes();
        self.file.write_all(&self.hash.chain_update(header).finalize())?;
        self.file.seek(SeekFrom::Start(self.start))?;
        self.file.write_all(&header)
    }
}
