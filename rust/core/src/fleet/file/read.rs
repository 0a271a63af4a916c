//! Loads a fleet from its file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::layout::{CHECKSUM_BYTES, HEADER_BYTES, SEGMENT_BYTES, Segment, check_header, refuse};
use super::source::{Body, Source};
use super::users::{read_id, read_user};
use crate::error::Cause;
use crate::fleet::Fleet;
use crate::{Model, Result};

impl Fleet {
    /// Loads a fleet written by [`Fleet::save`]. All further results have the same bits as if it
    /// had never been stored. A damaged file or one of another model is an error.
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
        let checksum = Sha256::digest(header).into();
        fleet.read_segment(&mut source, length - HEADER_BYTES as u64, checksum)?;
        Ok(fleet)
    }

    /// Reads a segment, and returns its checksum. `left` is the number of bytes left in the file.
    fn read_segment(
        &mut self,
        source: &mut Source<'_>,
        left: u64,
        before: [u8; CHECKSUM_BYTES],
    ) -> Result<[u8; CHECKSUM_BYTES]> {
        let header = source.take()?;
        let segment = Segment::parse(&header)?;
        if segment.length != left {
            return refuse(format!("{left} bytes"), segment.length);
        }
        self.model.check_added(&segment.added)?;
        let hash = Sha256::new().chain_update(before);
        let rest = segment.length - (SEGMENT_BYTES + CHECKSUM_BYTES) as u64;
        let mut body = Body { source, hash, left: rest };
        self.read_users(&mut body, &segment)?;
        body.padding()?;
        let computed: [u8; CHECKSUM_BYTES] = body.hash.chain_update(header).finalize().into();
        if source.take()? != computed {
            return Err(Cause::FleetChecksum.into());
        }
        Ok(computed)
    }

    fn read_users(&mut self, body: &mut Body<'_, '_>, segment: &Segment) -> Result<()> {
        let num_items = self.model.num_items() + segment.added.count as usize;
        for _ in 0..segment.users {
            let id = read_id(body, segment.kind)?;
            let user = id.view();
            if self.contains(user) {
                return refuse(format!("user {user} twice"), "each user once");
            }
            self.add(std::iter::once(user))?;
            let slot = self.slots[0] as usize;
            let state = self.arena.of_mut(slot);
            self.records[slot] = read_user(body, user, num_items, state)?;
        }
        Ok(())
    }
}
