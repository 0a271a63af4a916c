//! The bytes of a model file: read, passed in or mapped.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use crate::Result;
use crate::aligned::AlignedBuf;
use crate::error::Cause;

pub(crate) enum Bytes {
    Read(AlignedBuf<u8>),
    Given(Vec<u8>),
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    Mapped(memmap2::Mmap),
}

impl Bytes {
    /// Reads the file into a buffer aligned to a cache line, so that its table is aligned too.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let read = || {
            let mut file = File::open(path)?;
            let length = usize::try_from(file.metadata()?.len()).ok();
            let bytes = length.and_then(AlignedBuf::try_zeros);
            let mut bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
            file.read_exact(&mut bytes)?;
            Ok(Self::Read(bytes))
        };
        read().map_err(Cause::reading(path))
    }

    /// Maps the file.
    ///
    /// # Safety
    ///
    /// The file must not be written to or truncated while it is mapped.
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn map(path: &Path) -> Result<Self> {
        // SAFETY: the map is read-only, and the caller guarantees that the file does not change.
        let map = File::open(path).and_then(|file| unsafe { memmap2::Mmap::map(&file) });
        map.map(Self::Mapped).map_err(Cause::reading(path))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Given(bytes) => bytes,
            #[cfg(all(feature = "mmap", any(unix, windows)))]
            Self::Mapped(map) => map,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}
