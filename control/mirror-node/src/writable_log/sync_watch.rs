//! The files of a log as slow work sees them: a sync that failed is remembered.
//!
//! Linux reports bytes that could not be written at the next sync, once, and may drop them: the
//! sync after that says that all is well. So once a sync of a file failed, no later one is asked,
//! and the log takes nothing more until it was read again. Names and lengths need no such watch: a
//! file system that cannot write its journal goes on failing. A file that is replaced is written
//! anew each time.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kafka_log::partition_files::{FileName, PartitionFiles};

/// What keeps a log from being made durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a sync failed, so the log takes no more records until the next start reads it: {reason}")]
pub struct SyncFailed {
    /// What the system said.
    reason: Arc<str>,
}

impl From<SyncFailed> for io::Error {
    fn from(failed: SyncFailed) -> Self {
        Self::other(failed)
    }
}

/// The sync of a log that failed, when one did; shared with whoever appends.
#[derive(Clone, Debug, Default)]
pub(super) struct SyncFault(Arc<OnceLock<SyncFailed>>);

impl SyncFault {
    /// # Errors
    /// When a sync failed.
    pub(super) fn check(&self) -> Result<(), SyncFailed> {
        self.0.get().map_or(Ok(()), |failed| Err(failed.clone()))
    }
}

/// Files whose syncs are watched.
#[derive(Debug)]
pub(super) struct SyncWatch<F> {
    files: F,
    directory: PathBuf,
    fault: SyncFault,
}

impl<F> SyncWatch<F> {
    pub(super) fn new(files: F, directory: PathBuf) -> Self {
        Self { files, directory, fault: SyncFault::default() }
    }

    pub(super) fn into_files(self) -> F {
        self.files
    }

    /// Notes that a sync failed that was not asked for here.
    pub(super) fn note_failed(&self, error: &io::Error) {
        // The first one counts.
        let _ = self.fault.0.set(SyncFailed { reason: error.to_string().into() });
    }

    pub(super) const fn fault(&self) -> &SyncFault {
        &self.fault
    }
}

impl<F: PartitionFiles> PartitionFiles for SyncWatch<F> {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.files.list()
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.files.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.write_at(file, position, bytes)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.files.truncate(file, bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        self.fault.check()?;
        // A file that cannot be opened now, for want of descriptors, is no file that lost bytes.
        self.files.read_at(file, 0, &mut [])?;
        self.files.sync(file).inspect_err(|error| {
            tracing::error!(directory = %self.directory.display(), %file, %error,
                "a sync failed: the log takes no more records until the node is started again");
            // The first one counts.
            let _ = self.fault.0.set(SyncFailed { reason: error.to_string().into() });
        })
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.files.replace(file, contents)
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.files.remove(file)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn release(&mut self) {
        self.files.release();
    }
}
