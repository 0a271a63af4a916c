//! The bytes of a model file, mapped or owned.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use crate::Result;
use crate::error::Cause;

/// The whole file.
pub(crate) enum Bytes {
    Owned(Vec<u8>),
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    Mapped(memmap2::Mmap),
}

impl Bytes {
    /// Maps the file.
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let map = || {
            let file = std::fs::File::open(path)?;
            // SAFETY: the map is read-only and only ever seen as plain numbers, of which every
            // bit pattern is valid; what text there is, is checked again at each look. That nobody
            // changes the file meanwhile is asked of the caller of `Model::open`.
            #[allow(unsafe_code)]
            unsafe {
                memmap2::Mmap::map(&file)
            }
        };
        map().map(Self::Mapped).map_err(Cause::reading(path))
    }

    /// Reads the file.
    #[cfg(not(all(feature = "mmap", any(unix, windows))))]
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = std::fs::read(path);
        read.map(Self::Owned).map_err(Cause::reading(path))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
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
