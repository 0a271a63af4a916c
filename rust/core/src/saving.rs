//! Writes safetensors files, and replaces files atomically.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::Cause;
use crate::fingerprint::Fingerprinter;
use crate::{Fingerprint, Result};

const ALIGNMENT: usize = 64;

pub(crate) struct NamedTensor {
    pub(crate) name: &'static str,
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn fingerprint(text: &str, tensors: &[NamedTensor]) -> Fingerprint {
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_unstable_by_key(|tensor| tensor.name);
    let mut fingerprinter = Fingerprinter::new(text);
    for NamedTensor { name, dtype, shape, bytes } in sorted {
        fingerprinter.tensor(name, dtype, shape, bytes);
    }
    fingerprinter.finish()
}

/// The header of a file: its metadata, then its tensors in the order of their bytes.
struct Header<'a> {
    metadata: &'a [(&'a str, &'a str)],
    tensors: &'a [NamedTensor],
}

#[derive(Serialize)]
struct Info<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut header = serializer.serialize_map(None)?;
        header.serialize_entry("__metadata__", &Metadata(self.metadata))?;
        let mut end = 0;
        for NamedTensor { name, dtype, shape, bytes } in self.tensors {
            let data_offsets = [end, end + bytes.len()];
            end = data_offsets[1];
            header.serialize_entry(name, &Info { dtype, shape, data_offsets })?;
        }
        header.end()
    }
}

struct Metadata<'a>(&'a [(&'a str, &'a str)]);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Serialises a safetensors file. Equal contents give equal bytes, which the library's writer does
/// not guarantee: it keeps the metadata in a hash map.
pub(crate) fn safetensors(metadata: &[(&str, &str)], tensors: &[NamedTensor]) -> Vec<u8> {
    // Serialising texts and numbers into memory does not fail.
    let mut header = serde_json::to_string(&Header { metadata, tensors }).unwrap_or_default();
    let data: usize = tensors.iter().map(|tensor| tensor.bytes.len()).sum();
    let length = (size_of::<u64>() + header.len()).next_multiple_of(ALIGNMENT) - size_of::<u64>();
    header.extend(std::iter::repeat_n(' ', length - header.len()));
    let mut file = Vec::with_capacity(size_of::<u64>() + length + data);
    file.extend_from_slice(&(length as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    for tensor in tensors {
        file.extend_from_slice(&tensor.bytes);
    }
    file
}

/// Who may read a new file, subject to the umask. A replaced file keeps its mode.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    Owner = 0o600,
    Anyone = 0o666,
}

/// Replaces `path` by a new file, in one step once the new file is on disk. Returns what `write`
/// returns.
pub(crate) fn replace<T>(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&File) -> Result<T>,
) -> Result<T> {
    let io = Cause::writing(path);
    let part = beside(path).map_err(&io)?;
    let former = fs::metadata(path).ok().map(|former| former.permissions());
    // While it is written, the file must not be readable by more users than the one it replaces.
    let file = create(&part, if former.is_some() { Readers::Owner } else { readers });
    let file = file.map_err(&io)?;
    let written = former
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .map_err(&io)
        .and_then(|()| write(&file));
    let done = written.and_then(|result| {
        file.sync_all().and_then(|()| fs::rename(&part, path)).map_err(&io)?;
        Ok(result)
    });
    if done.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    let result = done?;
    sync_folder(path).map_err(&io)?;
    Ok(result)
}

fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, readers as u32);
    #[cfg(not(unix))]
    let _ = readers;
    options.write(true).create_new(true).open(path)
}

/// A file name in the same folder that no other save uses.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    // Random rather than a process id, which not every platform has.
    let random = RandomState::new().build_hasher().finish();
    let mut part = name.to_owned();
    part.push(format!(".{random:016x}.part"));
    Ok(path.with_file_name(part))
}

/// Makes a rename survive a power failure.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
