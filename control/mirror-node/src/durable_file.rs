//! Small files that are there whole or not at all, also after a power cut.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces `path` by `contents`: temporary name, sync, rename, sync of the directory.
///
/// # Errors
/// What the system said; the old file is still there then, unless the error is that of the last
/// sync, and says so: then the new one is there, and a power cut may bring the old one back.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace_with(path, contents, Access::AsUsual)
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the umask lets.
    AsUsual,
    /// Its owner, from its first byte on.
    OwnerOnly,
}

/// Replaces `path` by `contents` as [`replace`] does, with this access.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_file_name(temporary_name(name));
    let mut file = match access {
        Access::AsUsual => File::create(&temporary)?,
        Access::OwnerOnly => {
            // One that a crash left may be readable by others.
            remove_if_there(&temporary)?;
            let mode = 0o600;
            File::options().write(true).create_new(true).mode(mode).open(&temporary)?
        }
    };
    file.write_all(contents)?;
    file.sync_all()?;
    // While the old file is still there: opening takes rights and a descriptor.
    let parent = open_parent(path)?;
    fs::rename(&temporary, path)?;
    parent.sync_all().map_err(|error| {
        let text = format!("it was replaced, but its directory could not be synced: {error}");
        io::Error::new(error.kind(), text)
    })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The name a file has until all of it is written.
pub(crate) fn temporary_name(name: impl AsRef<OsStr>) -> OsString {
    let mut name = name.as_ref().to_owned();
    name.push(".tmp");
    name
}

/// Deletes `path` durably; says whether it was there.
///
/// # Errors
/// What the system said.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a whole file of at most `bytes_max`; `None` when there is none.
///
/// # Errors
/// What the system said, and `FileTooLarge` above the limit.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut contents = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut contents)?;
    if u64::try_from(contents.len()).is_ok_and(|bytes| bytes <= bytes_max) {
        Ok(Some(contents))
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {bytes_max} bytes")))
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    open_parent(path)?.sync_all()
}

fn open_parent(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent),
        _ => File::open("."),
    }
}
