//! Directories of a measurement: made for it, deleted with it, whatever its end.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use mirror_node::random_id::random_id;
use mirror_uring::probe::{self, DirectoryFacts};

use crate::exit_code::{CommandError, ExitCode};

/// A directory of our own; deleted when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one in `parent`.
    pub(super) fn create(parent: &Path) -> Result<Self, CommandError> {
        let path = parent.join(format!("{NAME_START}{}", random_id()?));
        fs::create_dir(&path).map_err(|error| refused(parent, &error, ""))?;
        // What the source's process is told must mean the same there.
        Ok(Self { path: fs::canonicalize(path)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = delete(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot delete what was measured with");
        }
    }
}

/// Deletes a directory of ours; one that is gone is no error, one that is not ours stays.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    if !name.is_some_and(|name| name.starts_with(NAME_START)) {
        return Err(io::Error::other("not made by ringmirror bench"));
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// What a directory that is measured in offers.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) facts: DirectoryFacts,
    pub(super) free_bytes: u64,
    /// Whether its files are memory.
    pub(super) is_memory: bool,
}

/// Looks at a directory; `option` names it on the command line.
pub(super) fn look_at(directory: &Path, option: &str) -> Result<Place, CommandError> {
    let hint = format!("; name a directory that exists and may be written to with {option}");
    let refuse = |error: io::Error| refused(directory, &error, &hint);
    let facts = probe::directory(directory).map_err(refuse)?;
    if let Some(name) = DATA_FILES.iter().find(|name| directory.join(name).exists()) {
        let text = format!(
            "{}: {name} says that logs are kept here, which a stranger's directory would spoil; \
             name another directory on that disk with {option}",
            directory.display()
        );
        return Err(CommandError::new(ExitCode::DataDirectory, anyhow::anyhow!(text)));
    }
    let room = rustix::fs::statvfs(directory).map_err(|error| refuse(error.into()))?;
    let kind = rustix::fs::statfs(directory).map_err(|error| refuse(error.into()))?.f_type;
    Ok(Place {
        facts,
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        is_memory: u64::try_from(kind) == Ok(TMPFS_MAGIC),
    })
}

fn refused(directory: &Path, error: &io::Error, hint: &str) -> CommandError {
    let text = format!("{}: {error}{hint}", directory.display());
    CommandError::new(ExitCode::DataDirectory, anyhow::anyhow!(text))
}

/// How the names of our directories begin.
const NAME_START: &str = "ringmirror-bench-";
/// What a directory holds that is a mirror's or a broker's.
const DATA_FILES: [&str; 2] = ["ringmirror.json", "meta.properties"];
/// `TMPFS_MAGIC` of Linux.
const TMPFS_MAGIC: u64 = 0x0102_1994;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_here_is_deleted() {
        let parent = std::env::temp_dir();
        let ours = Scratch::create(&parent).unwrap();
        let path = ours.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        let foreign = path.join("precious");
        fs::create_dir(&foreign).unwrap();
        assert!(delete(&foreign).is_err());
        assert!(foreign.exists());
        drop(ours);
        assert!(!path.exists());
        delete(&path).unwrap();
    }

    #[test]
    fn a_directory_of_logs_is_refused() {
        let ours = Scratch::create(&std::env::temp_dir()).unwrap();
        assert!(look_at(ours.path(), "--data-dir").is_ok());
        fs::write(ours.path().join("meta.properties"), "version=1\n").unwrap();
        let refusal = look_at(ours.path(), "--data-dir").unwrap_err();
        assert_eq!(refusal.code, ExitCode::DataDirectory);
        let text = refusal.error.to_string();
        assert!(text.contains("meta.properties") && text.contains("--data-dir"), "{text}");
    }
}
