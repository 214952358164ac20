//! Retired log files kept for the next segments of their partition.
//!
//! Direct writes into blocks that were written before are a quarter faster than into blocks that
//! are only reserved: the file system has nothing to note down. So a retired log file is renamed
//! instead of deleted, and renamed again when a segment begins.
//!
//! The new segment's file then ends in batches of the old one. They lie below the log start, so
//! a recovery scan tells them from its own (`kafka_log::recovery`); whatever else cuts a log may
//! make their offsets look new, and deletes them first. Finishing a segment cuts the file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mirror_shard::op::is_disk_full;

/// What the names of retired files in a partition's directory begin with; a number follows.
pub const RECYCLED_FILE_PREFIX: &str = "ringmirror-recycled-";
/// Retired files kept per partition.
const PER_PARTITION_MAX: usize = 2;
/// Retired files kept per shard: what retention frees must not stay taken.
pub(crate) const RECYCLED_FILES_MAX: usize = 16;
/// Smaller files are deleted: they save nothing.
const BYTES_MIN: u64 = 16 << 20;

/// The retired files of a shard's partitions; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct RecycledFiles {
    kept: Arc<Mutex<BTreeSet<PathBuf>>>,
    files_max: usize,
}

impl RecycledFiles {
    /// Keeps no file yet, and none ever unless `reuse_files`: then every retired file is deleted.
    pub(crate) fn new(reuse_files: bool) -> Self {
        let files_max = if reuse_files { RECYCLED_FILES_MAX } else { 0 };
        Self { kept: Arc::default(), files_max }
    }

    /// Keeps the log file at `path`, which is retired for good, unless there are enough.
    ///
    /// A file that is not kept is left for whoever deletes retired segments.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn keep(&self, directory: &Path, path: &Path) -> io::Result<()> {
        let is_worth_it = path.metadata().is_ok_and(|metadata| metadata.len() >= BYTES_MIN);
        let place = places(directory).find(|place| !place.exists());
        let Some(place) = place.filter(|_| is_worth_it) else { return Ok(()) };
        if !self.count_one(&place) {
            return Ok(());
        }
        fs::rename(path, &place).inspect_err(|_| self.discount_one(&place))
    }

    /// Makes a kept file the new log file at `path`; false when there is none.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn take(&self, directory: &Path, path: &Path) -> io::Result<bool> {
        for place in places(directory) {
            match fs::rename(&place, path) {
                Ok(()) => {
                    self.discount_one(&place);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Counts files left by an earlier process, deletes those above the limit.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn adopt(&self, directory: &Path) -> io::Result<()> {
        for place in places(directory).filter(|place| place.exists()) {
            if !self.count_one(&place) {
                fs::remove_file(place)?;
            }
        }
        Ok(())
    }

    /// Deletes the files kept for a partition. Only those of [`Self::adopt`] and [`Self::keep`]
    /// may be there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn clear(&self, directory: &Path) -> io::Result<()> {
        for place in places(directory) {
            match fs::remove_file(&place) {
                Ok(()) => self.discount_one(&place),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Deletes the files kept for all partitions when `error` says that the disk is full: what
    /// failed is tried again later, and needs the space more.
    pub(crate) fn make_room(&self, error: &io::Error) {
        if self.can_make_room(error) {
            self.delete_kept();
        }
    }

    /// True when [`Self::make_room`] would delete something.
    pub(crate) fn can_make_room(&self, error: &io::Error) -> bool {
        is_disk_full(error) && !self.kept().is_empty()
    }

    /// Deletes the files kept for all partitions.
    pub(crate) fn delete_kept(&self) {
        let kept = std::mem::take(&mut *self.kept());
        for place in kept {
            match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %place.display(), %error, "cannot delete to make room");
                }
                _ => {}
            }
        }
    }

    fn count_one(&self, place: &Path) -> bool {
        let mut kept = self.kept();
        let has_room = kept.len() < self.files_max;
        // What is found again, by a load that is tried again, is counted already.
        kept.contains(place) || has_room && kept.insert(place.to_owned())
    }

    fn discount_one(&self, place: &Path) {
        self.kept().remove(place);
    }

    /// Nothing is done under the lock that could leave half a change.
    fn kept(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a partition's retired files may be; Kafka ignores these names.
fn places(directory: &Path) -> impl Iterator<Item = PathBuf> {
    (0..PER_PARTITION_MAX).map(|number| directory.join(format!("{RECYCLED_FILE_PREFIX}{number}")))
}

#[cfg(test)]
mod tests;
