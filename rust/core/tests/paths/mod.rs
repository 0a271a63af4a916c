//! Where a test writes. Cargo names the folder to integration tests only, so this is no part of
//! `common`, which the fuzz targets compile too.

use std::path::{Path, PathBuf};

/// The path of a fleet file in an empty folder of its own.
pub(crate) fn fleet_path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("users.fleet")
}
