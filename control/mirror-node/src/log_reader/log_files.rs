//! Files kept open for reading: a limited number for the whole node, the longest unused go first.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_log::partition_files::FileName;

use super::ReadError;

/// A file of one log; logs are told apart by numbers that are never used twice.
type FileKey = (u64, FileName);

/// The open files.
#[derive(Debug)]
pub(crate) struct LogFiles {
    files_max: usize,
    open: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    files: HashMap<FileKey, (u64, Arc<File>)>,
    /// Counts uses, to tell the longest unused.
    use_count: u64,
}

impl LogFiles {
    pub(super) fn new(files_max: usize) -> Self {
        Self { files_max: files_max.max(1), open: Mutex::default() }
    }

    /// The file, opened unless it is open; [`ReadError::Gone`] when there is none.
    pub(super) fn get(
        &self,
        log_id: u64,
        directory: &Path,
        name: FileName,
    ) -> Result<Arc<File>, ReadError> {
        let key = (log_id, name);
        if let Some(file) = self.lock().used(key) {
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
        if open.files.len() >= self.files_max {
            open.evict(self.files_max);
        }
        open.use_count += 1;
        let entry = (open.use_count, Arc::clone(&file));
        open.files.insert(key, entry);
        Ok(file)
    }

    /// Closes the files of a log for which `is_old` holds, once nobody reads them any more.
    pub(super) fn forget(&self, log_id: u64, is_old: impl Fn(FileName) -> bool) {
        self.lock().files.retain(|(id, name), _| *id != log_id || !is_old(*name));
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
        self.files.retain(|_, (used, _)| *used > *newest_closed);
    }
}
