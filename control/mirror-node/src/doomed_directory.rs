//! Directories of partitions on their way out: renamed first, so that one half deleted is never
//! taken for a log; what a crash leaves of them is deleted by the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::random_id::random_id;

/// Deletes a partition's directory, under a name ending in `-delete` that a stock broker knows too.
///
/// # Errors
/// What the system said; the directory may be gone under its own name then.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    let doomed = doomed_path(directory)?;
    fs::rename(directory, &doomed)?;
    if let Some(parent) = directory.parent().filter(|parent| *parent != Path::new("")) {
        File::open(parent)?.sync_all()?;
    }
    fs::remove_dir_all(&doomed)
}

/// Deletes what a crash left in `root` of directories that were being deleted. What cannot be
/// deleted is tried again by the next start.
pub(crate) fn sweep(root: &Path) {
    let found = match fs::read_dir(root) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(directory = %root.display(), %error, "cannot be searched");
            return;
        }
    };
    for entry in found.flatten() {
        if !entry.file_name().to_str().is_some_and(is_doomed) {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(directory = %entry.path().display(), %error, "cannot be deleted");
        }
    }
}

/// `<topic>-<partition>.<id>-delete`, cut to the longest file name (`LocalLog.logDeleteDirName`).
fn doomed_path(directory: &Path) -> io::Result<PathBuf> {
    let suffix = format!(".{}{SUFFIX}", random_id()?);
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Legal topic names are ASCII, so any cut is between characters.
    let kept = name.len().min(FILE_NAME_BYTES_MAX - suffix.len());
    Ok(directory.with_file_name(format!("{}{suffix}", &name[..kept])))
}

/// True for names that this, the engine and a stock broker make; no partition's directory has one,
/// as these end with a number.
fn is_doomed(name: &str) -> bool {
    let id = name.strip_suffix(SUFFIX).and_then(|name| name.rsplit_once('.')).map(|(_, id)| id);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    id.is_some_and(|id| ID_BYTES.contains(&id.len()) && id.bytes().all(is_letter))
}

const SUFFIX: &str = "-delete";
/// Lengths of the ids in names: ours, and a UUID in hexadecimal digits.
const ID_BYTES: [usize; 2] = [22, 32];
const FILE_NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests;
