//! Files of many partitions made durable together: two syncs of the file system instead of eight
//! of files for each log.
//!
//! ```text
//!  each log: bytes written, lengths cut; new contents of whole files are kept in memory
//!  settle:   new contents to temporary files -> sync of all -> renames, deletions -> sync of all
//! ```
//! A crash on the way leaves each file as it was or as it is to be, as single syncs do; only that
//! all is durable is known once, at the end. Whoever calls a log closed before that lies. What is
//! there already is not written again: a log that a killed process left as a clean stop would
//! costs some looks.
//!
//! A sync of the file system also writes what others have in the page cache: it is for many logs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kafka_log::partition_files::{FileName, PartitionFiles};

use crate::real_files::RealFiles;

/// The files of one partition, whose syncs wait for [`SharedSync::settle`]. Blocking.
#[derive(Debug)]
pub struct DeferredFiles {
    files: RealFiles,
    directory: PathBuf,
    /// Whole files with new contents.
    replaced: BTreeMap<FileName, Vec<u8>>,
    /// Files that are to go.
    removed: Vec<FileName>,
    /// Every file with its length, once it was listed: nobody else makes, cuts or deletes files
    /// that are asked for here.
    on_disk: Option<BTreeMap<FileName, u64>>,
}

/// The file system of a data directory, to be synced as a whole.
#[derive(Debug)]
pub struct SharedSync {
    root: File,
    has_failed: AtomicBool,
}

impl SharedSync {
    /// Opens it: before anything is written that it is to make durable, so that it hears of bytes
    /// that were lost.
    ///
    /// # Errors
    /// The system's.
    pub fn open(data_directory: &Path) -> io::Result<Self> {
        Ok(Self { root: File::open(data_directory)?, has_failed: AtomicBool::new(false) })
    }

    /// Puts what was deferred in place and makes all of it durable; one outcome for each log. One
    /// whose outcome is an error must be recovered.
    #[must_use]
    pub fn settle(&self, mut logs: Vec<DeferredFiles>) -> Vec<io::Result<()>> {
        let mut outcomes: Vec<_> = logs.iter().map(|_| Ok(())).collect();
        on_each(&mut logs, &mut outcomes, DeferredFiles::stage);
        let is_anything_left = logs.iter().any(DeferredFiles::is_anything_left);
        self.sync_into(&mut outcomes);
        if is_anything_left {
            on_each(&mut logs, &mut outcomes, DeferredFiles::put_in_place);
            self.sync_into(&mut outcomes);
        }
        outcomes
    }

    /// True when a sync failed: nobody knows what of the files reached the disk.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    fn sync_into(&self, outcomes: &mut [io::Result<()>]) {
        if let Err(error) = rustix::fs::syncfs(&self.root) {
            let error = io::Error::from(error);
            self.has_failed.store(true, Ordering::Relaxed);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(io::Error::new(error.kind(), error.to_string()));
            }
        }
    }
}

/// Acts on each log that has not failed yet, on a few threads when there are many.
fn on_each(
    logs: &mut [DeferredFiles],
    outcomes: &mut [io::Result<()>],
    act: fn(&mut DeferredFiles) -> io::Result<()>,
) {
    let share = logs.len().div_ceil(THREADS).max(LOGS_ALONE_MAX);
    thread::scope(|scope| {
        for (logs, outcomes) in logs.chunks_mut(share).zip(outcomes.chunks_mut(share)) {
            let work = move || {
                for (log, outcome) in logs.iter_mut().zip(outcomes) {
                    if outcome.is_ok() {
                        *outcome = act(log);
                    }
                }
            };
            scope.spawn(work);
        }
    });
}

impl DeferredFiles {
    /// The files in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let files = RealFiles::new(directory.clone());
        let (replaced, removed) = (BTreeMap::new(), Vec::new());
        Self { files, directory, replaced, removed, on_disk: None }
    }

    /// Creates the directory unless it exists.
    ///
    /// # Errors
    /// The system's.
    pub fn create_directory(&self) -> io::Result<()> {
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, file: FileName) -> PathBuf {
        self.directory.join(file.text())
    }

    fn temporary(&self, file: FileName) -> PathBuf {
        self.directory.join(format!("{file}.tmp"))
    }

    fn is_anything_left(&self) -> bool {
        !self.replaced.is_empty() || !self.removed.is_empty()
    }

    /// Every file with its length, as on disk.
    fn listed(&mut self) -> io::Result<&mut BTreeMap<FileName, u64>> {
        if self.on_disk.is_none() {
            self.on_disk = Some(self.files.list()?.into_iter().collect());
        }
        Ok(self.on_disk.as_mut().expect("listed just now"))
    }

    /// Notes that a file was written or cut, or deleted.
    fn note_length(&mut self, file: FileName, bytes: Option<u64>) {
        if let Some(listed) = &mut self.on_disk {
            match bytes {
                Some(bytes) => listed.insert(file, bytes),
                None => listed.remove(&file),
            };
        }
    }

    /// Length on disk; `None` when it is not there. One look at one file needs no list.
    fn bytes_on_disk(&self, file: FileName) -> Option<u64> {
        match &self.on_disk {
            Some(listed) => listed.get(&file).copied(),
            None => fs::metadata(self.path(file)).ok().map(|metadata| metadata.len()),
        }
    }

    /// True when a file holds these contents and is to stay.
    fn is_on_disk(&self, file: FileName, contents: &[u8]) -> bool {
        !self.removed.contains(&file)
            && self.bytes_on_disk(file) == Some(contents.len() as u64)
            && fs::read(self.path(file)).is_ok_and(|found| found == contents)
    }

    fn delete(&mut self, file: FileName) -> io::Result<()> {
        self.note_length(file, None);
        self.files.remove(file)
    }

    /// Writes new contents beside the old ones. What was emptied and written again may be as it
    /// was before.
    fn stage(&mut self) -> io::Result<()> {
        self.files.release();
        let mut replaced = std::mem::take(&mut self.replaced);
        replaced.retain(|file, contents| !self.is_on_disk(*file, contents));
        self.replaced = replaced;
        let write = |(file, contents): (&FileName, &Vec<u8>)| {
            File::create(self.temporary(*file))?.write_all(contents)
        };
        self.replaced.iter().try_for_each(write).inspect_err(|_| {
            for file in self.replaced.keys() {
                // On a full disk even a part takes space; it may not exist.
                let _ = fs::remove_file(self.temporary(*file));
            }
        })
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        for file in self.replaced.keys() {
            fs::rename(self.temporary(*file), self.path(*file))?;
        }
        for file in std::mem::take(&mut self.removed) {
            self.delete(file)?;
        }
        Ok(())
    }
}

impl PartitionFiles for DeferredFiles {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        let mut found = self.listed()?.clone();
        found.retain(|file, _| !self.removed.contains(file));
        found.extend(self.replaced.iter().map(|(file, bytes)| (*file, bytes.len() as u64)));
        Ok(found.into_iter().collect())
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        if let Some(contents) = self.replaced.get(&file) {
            let from = usize::try_from(position).unwrap_or(usize::MAX).min(contents.len());
            let count = into.len().min(contents.len() - from);
            into[..count].copy_from_slice(&contents[from..from + count]);
            return Ok(count);
        }
        if self.removed.contains(&file) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.files.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(contents) = self.replaced.get_mut(&file) {
            if bytes.is_empty() {
                return Ok(());
            }
            let from = usize::try_from(position).map_err(io::Error::other)?;
            let end = from.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            if end <= REPLACED_BYTES_MAX {
                contents.resize(contents.len().max(end), 0);
                contents[from..end].copy_from_slice(bytes);
                return Ok(());
            }
            // It is written to piece by piece: no file to be replaced as a whole.
            self.files.replace(file, contents)?;
            let bytes = contents.len() as u64;
            self.replaced.remove(&file);
            self.note_length(file, Some(bytes));
        }
        if let Some(at) = self.removed.iter().position(|removed| *removed == file) {
            self.removed.swap_remove(at);
            self.delete(file)?;
        }
        if bytes.is_empty() && self.listed()?.contains_key(&file) {
            return Ok(());
        }
        self.files.write_at(file, position, bytes)?;
        let before = self.on_disk.as_ref().and_then(|listed| listed.get(&file).copied());
        let end = position.saturating_add(bytes.len() as u64);
        self.note_length(file, Some(before.map_or(end, |before| before.max(end))));
        Ok(())
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        if let Some(contents) = self.replaced.get_mut(&file) {
            contents.resize(usize::try_from(bytes).map_err(io::Error::other)?, 0);
            return Ok(());
        }
        if self.removed.contains(&file) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.bytes_on_disk(file) == Some(bytes) {
            return Ok(());
        }
        self.files.truncate(file, bytes)?;
        self.note_length(file, Some(bytes));
        Ok(())
    }

    /// Waits for [`SharedSync::settle`].
    fn sync(&mut self, file: FileName) -> io::Result<()> {
        let is_there = self.replaced.contains_key(&file) || self.bytes_on_disk(file).is_some();
        if is_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Takes place at [`SharedSync::settle`], unless the file says that already.
    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        if self.is_on_disk(file, contents) {
            self.replaced.remove(&file);
            return Ok(());
        }
        self.removed.retain(|removed| *removed != file);
        self.replaced.insert(file, contents.to_vec());
        Ok(())
    }

    /// Takes place at [`SharedSync::settle`].
    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.replaced.remove(&file);
        if !self.removed.contains(&file) {
            self.removed.push(file);
        }
        Ok(())
    }

    /// Waits for [`SharedSync::settle`].
    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn release(&mut self) {
        self.files.release();
    }
}

/// Largest file whose new contents are kept in memory while it is written to.
const REPLACED_BYTES_MAX: usize = 16 << 20;
/// Threads for many logs: names wait for the file system's locks more than for a core.
const THREADS: usize = 4;
/// So many logs are not worth another thread.
const LOGS_ALONE_MAX: usize = 64;

#[cfg(test)]
mod tests;
