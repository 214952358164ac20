//! Files kept open for reading: a limited number for the whole node, the longest unused go first.
//!
//! A file that goes while an answer is being sent from it is closed when that was sent. Such lent
//! files are counted, so that clients that do not read do not take all descriptors of the process.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kafka_log::partition_files::FileName;

use super::{FileLimits, ReadError};

/// A file of one log; logs are told apart by numbers that are never used twice.
type FileKey = (u64, FileName);

/// The open files.
#[derive(Debug)]
pub(crate) struct LogFiles {
    limits: FileLimits,
    open: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    files: HashMap<FileKey, (u64, Arc<File>)>,
    /// Not among the files any more, but somebody held them then.
    lent: Vec<Weak<File>>,
    /// Counts uses, to tell the longest unused.
    use_count: u64,
}

impl LogFiles {
    pub(super) fn new(limits: FileLimits) -> Self {
        Self { limits, open: Mutex::default() }
    }

    /// True when an answer that holds so many files may hold one more. Half of what may be lent is
    /// for the first file of an answer.
    pub(super) fn may_lend(&self, held: usize) -> bool {
        let lent_max = self.limits.lent_max / if held == 0 { 1 } else { 2 };
        let mut open = self.lock();
        if open.lent.len() >= lent_max {
            open.lent.retain(|file| file.strong_count() > 0);
        }
        open.lent.len() < lent_max
    }

    /// The file, opened unless it is open; [`ReadError::Gone`] when there is none.
    pub(super) fn get(
        &self,
        log_id: u64,
        directory: &Path,
        name: FileName,
    ) -> Result<Arc<File>, ReadError> {
        let key = (log_id, name);
        if let Some(file) = self.open_one(log_id, name) {
            return Ok(file);
        }
        let opened = File::open(directory.join(name.text())).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                ReadError::Gone { file: name }
            } else {
                ReadError::Io { file: name, error }
            }
        })?;
        let file = Arc::new(opened);
        let mut open = self.lock();
        if open.files.len() >= self.limits.open_max {
            open.evict(self.limits.open_max);
        }
        open.use_count += 1;
        let entry = (open.use_count, Arc::clone(&file));
        open.files.insert(key, entry);
        Ok(file)
    }

    /// The file, when it is open.
    pub(super) fn open_one(&self, log_id: u64, name: FileName) -> Option<Arc<File>> {
        self.lock().used((log_id, name))
    }

    /// Closes the files of a log for which `is_old` holds, once nobody reads them any more.
    pub(super) fn forget(&self, log_id: u64, is_old: impl Fn(FileName) -> bool) {
        self.lock().close(|(id, name), _| *id == log_id && is_old(*name));
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().files.len()
    }
}

impl Opened {
    fn used(&mut self, key: FileKey) -> Option<Arc<File>> {
        self.use_count += 1;
        let (used, file) = self.files.get_mut(&key)?;
        *used = self.use_count;
        Some(Arc::clone(file))
    }

    /// Closes an eighth of the files, those unused longest.
    fn evict(&mut self, files_max: usize) {
        let mut uses: Vec<u64> = self.files.values().map(|(used, _)| *used).collect();
        uses.sort_unstable();
        let Some(newest_closed) = uses.get(files_max / 8) else { return };
        let newest_closed = *newest_closed;
        self.close(|_, used| used <= newest_closed);
    }

    /// Closes the files for which `goes` holds, by key and last use, once nobody holds them.
    fn close(&mut self, goes: impl Fn(&FileKey, u64) -> bool) {
        self.lent.retain(|file| file.strong_count() > 0);
        let closed = self.files.extract_if(|key, (used, _)| goes(key, *used));
        let lent = closed.filter(|(_, (_, file))| Arc::strong_count(file) > 1);
        self.lent.extend(lent.map(|(_, (_, file))| Arc::downgrade(&file)));
    }
}
