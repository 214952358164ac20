//! Retired log files the engine keeps in a partition's directory for its next segments. A broker
//! ignores them and nobody else deletes them, so they go when the directory is handed over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mirror_uring::RECYCLED_FILE_PREFIX;

use crate::durable_file;

/// True for the name of a retired log file.
#[must_use]
pub fn is_recycled(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(RECYCLED_FILE_PREFIX))
}

/// The retired log files in a partition's directory, with their lengths.
///
/// # Errors
/// What the system said.
pub fn list(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_recycled(&entry.path()) {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Deletes them.
///
/// # Errors
/// What the system said.
pub fn remove(directory: &Path) -> io::Result<()> {
    for (path, _) in list(directory)? {
        durable_file::remove(&path)?;
    }
    Ok(())
}
