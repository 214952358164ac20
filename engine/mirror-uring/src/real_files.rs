//! A partition's directory on the real file system, for recovery and closing. Blocking.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use kafka_log::partition_files::{FileName, PartitionFiles};

/// The files of one partition, in `<data_dir>/<topic>-<partition>/`.
#[derive(Debug)]
pub struct RealFiles {
    directory: PathBuf,
    /// The file used last; recovery reads one file in many pieces.
    open: Option<(FileName, File)>,
}

impl RealFiles {
    /// The files in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, open: None }
    }

    /// Creates the directory, durably, unless it exists.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn create_directory(&self) -> io::Result<()> {
        match fs::create_dir(&self.directory) {
            Ok(()) => sync_parent(&self.directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn path(&self, file: FileName) -> PathBuf {
        self.directory.join(file.text())
    }

    fn opened(&mut self, file: FileName) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(name, _)| *name != file) {
            let opened = OpenOptions::new().read(true).write(true).open(self.path(file))?;
            self.open = Some((file, opened));
        }
        Ok(&self.open.as_ref().expect("opened just now").1)
    }

    fn create_file(&mut self, file: FileName) -> io::Result<&File> {
        let mut options = OpenOptions::new();
        let created = options.read(true).write(true).create(true).truncate(false);
        self.open = Some((file, created.open(self.path(file))?));
        Ok(&self.open.as_ref().expect("opened just now").1)
    }

    fn close(&mut self, file: FileName) {
        self.open.take_if(|(name, _)| *name == file);
    }
}

impl PartitionFiles for RealFiles {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                found.push((name, metadata.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let opened = self.opened(file)?;
        let mut filled = 0;
        while filled < into.len() {
            let at = position + u64::try_from(filled).expect("a buffer's length fits 64 bits");
            match opened.read_at(&mut into[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        let opened = match self.opened(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create_file(file)?,
            _ => self.opened(file)?,
        };
        opened.write_all_at(bytes, position)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.opened(file)?.set_len(bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        self.opened(file)?.sync_all()
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.close(file);
        let path = self.path(file);
        let temporary = self.directory.join(format!("{file}.tmp"));
        write_new(&temporary, contents).and_then(|()| fs::rename(&temporary, &path)).inspect_err(
            |_| {
                // On a full disk even a part takes space; it may not exist.
                let _ = fs::remove_file(&temporary);
            },
        )?;
        self.sync_directory()
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.close(file);
        match fs::remove_file(self.path(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn release(&mut self) {
        self.open = None;
    }
}

/// Makes a file at `path` with these contents, durable but for its name.
fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut writer = File::create(path)?;
    writer.write_all(contents)?;
    writer.sync_all()
}

/// Makes the names in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

#[cfg(test)]
mod tests;
