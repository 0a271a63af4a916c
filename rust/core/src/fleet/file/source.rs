//! Reads a file piece by piece, and no more than there is.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bytemuck::Pod;
use sha2::{Digest, Sha256};

use super::layout::{ALIGNMENT, refuse};
use crate::Result;
use crate::error::Cause;

const BUFFER_BYTES: usize = 1 << 16;

pub(super) struct Source<'a> {
    reader: BufReader<File>,
    path: &'a Path,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: File, path: &'a Path) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, file), path }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(Cause::reading(self.path))
    }

    pub(super) fn seek(&mut self, offset: u64) -> Result<()> {
        self.reader.seek(SeekFrom::Start(offset)).map_err(Cause::reading(self.path))?;
        Ok(())
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// The bytes of a segment between its header and its checksum.
pub(super) struct Body<'s, 'a> {
    pub(super) source: &'s mut Source<'a>,
    pub(super) hash: Sha256,
    pub(super) left: u64,
}

impl Body<'_, '_> {
    pub(super) fn word(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.claim(bytes.len() as u64)?;
        self.source.fill(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    /// Appends `count` elements. The count comes from the file, and is checked before memory is
    /// allocated.
    pub(super) fn read_into<E: Pod>(&mut self, to: &mut Vec<E>, count: u64) -> Result<()> {
        let bytes = count.saturating_mul(size_of::<E>() as u64);
        if bytes > self.left {
            return refuse(format!("{bytes} bytes of a list"), format!("at most {}", self.left));
        }
        // It fits into the file, and thus into the address space.
        to.resize(count as usize, E::zeroed());
        self.fill(bytemuck::cast_slice_mut(to))
    }

    fn claim(&mut self, bytes: u64) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return refuse(format!("{} bytes left", self.left), format!("{bytes} or more")),
        }
        Ok(())
    }

    /// Reads the zeros before the checksum.
    pub(super) fn padding(&mut self) -> Result<()> {
        let mut zeros = [0; ALIGNMENT as usize];
        let count = self.left;
        match zeros.get_mut(..count as usize).filter(|zeros| zeros.len() < ALIGNMENT as usize) {
            Some(padding) => self.fill(padding)?,
            None => return refuse(format!("{count} bytes after the last user"), "at most 7"),
        }
        if zeros.iter().any(|&byte| byte != 0) {
            return refuse("padding that is not zero", "zeros");
        }
        Ok(())
    }
}
