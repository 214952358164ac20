//! One data directory for all who write logs in it: the control loop, the topics made here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;

use crate::acl_store::{AclStore, AclStoreError};
use crate::directory::{DataDirectory, DirectoryError};
use crate::directory_state::DirectoryState;
use crate::log_ledger::{LogCheckpoint, LogLedger};
use crate::memory_cap::PartitionRoom;

/// A data directory and the checkpoints of all its logs.
///
/// What it remembers is changed and written under one lock, so that two writers never undo each
/// other's changes; the checkpoints are under another, which nobody holds while the disk works.
#[derive(Debug)]
pub struct SharedDirectory {
    root: PathBuf,
    /// Partitions that there is memory for.
    partition_count_max: usize,
    directory: Mutex<DataDirectory>,
    ledger: Mutex<LogLedger>,
    acls: AclStore,
    /// Held while checkpoints are written: an older state never replaces a newer one.
    checkpointing: Mutex<()>,
}

impl SharedDirectory {
    /// Shares a directory; its checkpoints and access control lists are read now.
    ///
    /// # Errors
    /// Names the checkpoint that is damaged, or the lists.
    pub fn new(directory: DataDirectory) -> Result<Arc<Self>, DirectoryError> {
        Self::with_room(directory, usize::MAX)
    }

    /// The same, with memory for so many partitions.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_room(
        directory: DataDirectory,
        partition_count_max: usize,
    ) -> Result<Arc<Self>, DirectoryError> {
        let ledger = Mutex::new(LogLedger::new(directory.read_checkpoints()?));
        let acls = directory.open_acls()?;
        let (root, directory) = (directory.root().to_owned(), Mutex::new(directory));
        let checkpointing = Mutex::default();
        let shared = Self { root, partition_count_max, directory, ledger, acls, checkpointing };
        if let Err(error) = shared.free_acls() {
            tracing::warn!("rules of mirrors that are gone are kept as theirs: {error}");
        }
        Ok(Arc::new(shared))
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory, to look at or to change what it remembers.
    pub fn lock(&self) -> MutexGuard<'_, DataDirectory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for partitions beside those that the directory remembers, which the caller has locked:
    /// what is taken of it and remembered before the lock is gone is not given twice.
    #[must_use]
    pub fn partition_room(&self, state: &DirectoryState) -> PartitionRoom {
        state.partition_room(self.partition_count_max)
    }

    /// The access control lists, which are under a lock of their own.
    #[must_use]
    pub const fn acls(&self) -> &AclStore {
        &self.acls
    }

    /// Has rules that were brought by mirrors which are gone be this node's own.
    ///
    /// # Errors
    /// What the system said; it is done at the next start then.
    pub fn free_acls(&self) -> Result<(), AclStoreError> {
        let directory = self.lock();
        let mirrors = directory.state.cluster_mirrors.mirrors();
        self.acls.change(|table| table.forget_mirrors(|name| mirrors.contains_key(name)))
    }

    /// Takes the clean-shutdown marker away, before any log is opened; says whether it was there
    /// when it was taken first.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_clean_marker(&self) -> Result<bool, DirectoryError> {
        let was_clean = self.lock().take_clean_marker()?;
        Ok(self.ledger().note_marker(was_clean))
    }

    /// Notes how far a log may be checkpointed.
    pub fn note(&self, name: &TopicPartition, checkpoint: LogCheckpoint) {
        self.ledger().note(name, checkpoint);
    }

    /// Notes that a log was cut: nothing at or above `end` may be called durable.
    pub fn note_cut(&self, name: &TopicPartition, end: Offset) {
        self.ledger().note_cut(name, end);
    }

    /// Notes that somebody opens a log to write it.
    pub fn note_open(&self, name: &TopicPartition) {
        self.ledger().note_closed(name, false);
    }

    /// Notes that a log was closed cleanly: its files are as a clean start needs them.
    pub fn note_closed(&self, name: &TopicPartition) {
        self.ledger().note_closed(name, true);
    }

    /// Notes that a log was not closed when this process came, and that it repaired it.
    pub fn note_repaired(&self, name: &TopicPartition) {
        self.ledger().note_repaired(name);
    }

    /// Notes that clients were told an epoch above all before since a log was repaired.
    pub fn note_epoch_told(&self, name: &TopicPartition) {
        self.ledger().note_epoch_told(name);
    }

    /// True when this process repaired a log: what readers had of it may be gone.
    #[must_use]
    pub fn was_repaired(&self, name: &TopicPartition) -> bool {
        self.ledger().was_repaired(name)
    }

    /// True when a log's files are as a clean start needs them.
    #[must_use]
    pub fn is_closed(&self, name: &TopicPartition) -> bool {
        self.ledger().is_closed(name)
    }

    /// Forgets the checkpoints of a log that is to be deleted.
    pub fn forget(&self, name: &TopicPartition) {
        self.ledger().forget(name);
    }

    /// Below it everything of a log is durable, as far as is known.
    #[must_use]
    pub fn recovery_point(&self, name: &TopicPartition) -> Option<Offset> {
        self.ledger().checkpoints().recovery_points.get(name).copied()
    }

    /// A log's first offset as checkpointed.
    #[must_use]
    pub fn log_start(&self, name: &TopicPartition) -> Option<LogStartOffset> {
        self.ledger().checkpoints().log_starts.get(name).copied().map(LogStartOffset::new)
    }

    /// Writes the checkpoints when something changed.
    ///
    /// # Errors
    /// What the system said; they are written the next time then.
    pub fn write_checkpoints(&self) -> Result<(), DirectoryError> {
        let _alone = self.checkpointing.lock().unwrap_or_else(PoisonError::into_inner);
        let checkpoints = {
            let mut ledger = self.ledger();
            if !ledger.take_dirty() {
                return Ok(());
            }
            ledger.checkpoints().clone()
        };
        let written = DataDirectory::write_checkpoints_at(&self.root, &checkpoints);
        written.inspect_err(|_| self.ledger().mark_dirty())
    }

    /// Writes the clean-shutdown marker when every log in the directory is closed; says whether
    /// that is so. The last thing to be written.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_clean_marker(&self) -> Result<bool, DirectoryError> {
        let directory = self.lock();
        let (partitions, _) = directory.list_partitions()?;
        let clean = partitions.iter().all(|name| self.is_closed(name));
        if clean {
            directory.write_clean_marker()?;
        }
        Ok(clean)
    }

    fn ledger(&self) -> MutexGuard<'_, LogLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
