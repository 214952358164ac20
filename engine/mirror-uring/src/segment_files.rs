//! The files of segments being written: opened when first needed, a bounded number kept open.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kafka_wire::offset::Offset;
use mirror_shard::op::{IndexKind, PartitionSlot};

use crate::recycled::RecycledFiles;

/// Files a shard keeps open at most, however many descriptors the process may have.
pub(crate) const OPEN_FILES_MAX: usize = 4096;
/// Files a shard keeps open at least; fewer would reopen files all the time.
pub(crate) const OPEN_FILES_MIN: usize = 64;

/// Which file of a segment, and through the page cache or past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SegmentFile {
    /// `<base>.log`, through the page cache.
    Log,
    /// `<base>.log`, past the page cache.
    DirectLog,
    /// An index, through the page cache.
    Index(IndexKind),
}

/// A segment's file by place and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    /// Whose segment.
    pub(crate) slot: PartitionSlot,
    /// The segment's base offset.
    pub(crate) base: Offset,
    /// Which of its files.
    pub(crate) file: SegmentFile,
}

/// Open files by key, closed in second-chance order when there are too many.
///
/// A file in use by an operation stays open until the operation is over, also when it has left
/// the cache.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    directories: HashMap<PartitionSlot, Directory>,
    places: HashMap<FileKey, usize>,
    open: Vec<OpenFile>,
    hand: usize,
    open_files_max: usize,
    is_direct_refused: bool,
    recycled: RecycledFiles,
}

#[derive(Debug)]
struct OpenFile {
    key: FileKey,
    file: Rc<File>,
    was_used: bool,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    open_count: usize,
    /// Files created here since the start.
    created_count: u64,
    /// Creations known to be durable.
    durable_count: u64,
}

/// A directory whose newest names are not durable yet.
#[derive(Debug)]
pub(crate) struct UnsyncedDirectory {
    /// The directory, open.
    pub(crate) directory: Rc<File>,
    /// Creations that a sync started now covers; for [`SegmentFiles::directory_synced`].
    pub(crate) created_count: u64,
}

impl SegmentFiles {
    /// Keeps up to `open_files_max` files open.
    pub(crate) fn new(open_files_max: usize, recycled: RecycledFiles) -> Self {
        assert!(open_files_max > 0, "a cache of no files cannot hold the one being written");
        Self {
            directories: HashMap::new(),
            places: HashMap::with_capacity(open_files_max),
            open: Vec::with_capacity(open_files_max),
            hand: 0,
            open_files_max,
            is_direct_refused: false,
            recycled,
        }
    }

    /// Binds `slot` to a directory; files opened for its earlier one are dropped.
    pub(crate) fn bind(&mut self, slot: PartitionSlot, path: PathBuf) {
        self.close_slot(slot);
        let fresh = Directory { path, open_count: 0, created_count: 0, durable_count: 0 };
        self.directories.insert(slot, fresh);
    }

    /// Forgets the directory of `slot`.
    pub(crate) fn unbind(&mut self, slot: PartitionSlot) {
        self.close_slot(slot);
        self.directories.remove(&slot);
    }

    /// The directory of `slot`.
    pub(crate) fn directory(&self, slot: PartitionSlot) -> Option<&Path> {
        self.directories.get(&slot).map(|directory| &*directory.path)
    }

    /// The file, opened now unless it is open, created when it is missing.
    ///
    /// # Errors
    ///
    /// The system's, or [`io::ErrorKind::NotFound`] when the slot has no directory.
    pub(crate) fn open(&mut self, mut key: FileKey) -> io::Result<Rc<File>> {
        if self.is_direct_refused && key.file == SegmentFile::DirectLog {
            key.file = SegmentFile::Log;
        }
        if let Some(file) = self.cached(key) {
            return Ok(file);
        }
        let path = self.path(key)?;
        let (file, is_new) = match self.open_or_create(&path, key.file == SegmentFile::DirectLog) {
            Err(error) if is_refusal_of_direct(key, &error) => {
                self.refuse_direct(&error);
                return self.open(key);
            }
            result => result?,
        };
        Ok(self.keep(key, file, is_new))
    }

    /// From now on, direct files are opened through the page cache; says so once.
    pub(crate) fn refuse_direct(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_direct_refused, true) {
            tracing::warn!(%error, "no direct writes here: writing through the page cache");
        }
    }

    /// The segment's log file for a sync, through whichever descriptor is at hand.
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::NotFound`] when there is no such file or directory.
    pub(crate) fn open_for_sync(
        &mut self,
        slot: PartitionSlot,
        base: Offset,
    ) -> io::Result<Rc<File>> {
        let direct = FileKey { slot, base, file: SegmentFile::DirectLog };
        let buffered = FileKey { file: SegmentFile::Log, ..direct };
        if let Some(file) = self.cached(direct).or_else(|| self.cached(buffered)) {
            return Ok(file);
        }
        let file = OpenOptions::new().write(true).open(self.path(buffered)?)?;
        Ok(self.keep(buffered, file, false))
    }

    /// The directory of `slot`, when files were created in it since it was last synced.
    ///
    /// # Errors
    ///
    /// The system's, when it cannot be opened.
    pub(crate) fn unsynced_directory(
        &self,
        slot: PartitionSlot,
    ) -> io::Result<Option<UnsyncedDirectory>> {
        match self.directories.get(&slot) {
            Some(found) if found.created_count > found.durable_count => {
                let directory = Rc::new(File::open(&found.path)?);
                Ok(Some(UnsyncedDirectory { directory, created_count: found.created_count }))
            }
            _ => Ok(None),
        }
    }

    /// Notes that a sync of the directory of `slot` succeeded.
    pub(crate) fn directory_synced(&mut self, slot: PartitionSlot, created_count: u64) {
        if let Some(directory) = self.directories.get_mut(&slot) {
            directory.durable_count = directory.durable_count.max(created_count);
        }
    }

    /// Drops every open file of `slot` from the cache.
    pub(crate) fn close_slot(&mut self, slot: PartitionSlot) {
        let open_count = self.directories.get(&slot).map_or(0, |directory| directory.open_count);
        let mut left = open_count;
        let mut place = 0;
        while left > 0 {
            if self.open[place].key.slot == slot {
                self.close_place(place);
                left -= 1;
            } else {
                place += 1;
            }
        }
    }

    fn cached(&mut self, key: FileKey) -> Option<Rc<File>> {
        let place = *self.places.get(&key)?;
        let open = &mut self.open[place];
        assert!(open.key == key, "place {place} holds {:?}, not {key:?}", open.key);
        open.was_used = true;
        Some(Rc::clone(&open.file))
    }

    fn keep(&mut self, key: FileKey, file: File, is_new: bool) -> Rc<File> {
        if self.open.len() == self.open_files_max {
            self.close_one();
        }
        let directory = self.directories.get_mut(&key.slot).expect("its path was just used");
        directory.open_count += 1;
        directory.created_count += u64::from(is_new);
        let file = Rc::new(file);
        self.places.insert(key, self.open.len());
        self.open.push(OpenFile { key, file: Rc::clone(&file), was_used: true });
        file
    }

    /// Closes the next file that was not used since the hand last passed it.
    fn close_one(&mut self) {
        loop {
            if self.hand >= self.open.len() {
                self.hand = 0;
            }
            if !std::mem::take(&mut self.open[self.hand].was_used) {
                return self.close_place(self.hand);
            }
            self.hand += 1;
        }
    }

    fn close_place(&mut self, place: usize) {
        let closed = self.open.swap_remove(place);
        self.places.remove(&closed.key);
        if let Some(moved) = self.open.get(place) {
            self.places.insert(moved.key, place);
        }
        let directory = self.directories.get_mut(&closed.key.slot);
        directory.expect("a directory outlives its open files").open_count -= 1;
    }

    /// Opens for writing; true with the file when its name is new.
    fn open_or_create(&self, path: &Path, is_direct: bool) -> io::Result<(File, bool)> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(if is_direct { libc::O_DIRECT } else { 0 });
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return Ok((result?, false)),
        }
        // Only a segment that begins with bulk writes gains from blocks written before.
        if let (true, Some(directory)) = (is_direct, path.parent()) {
            self.recycled.take(directory, path)?;
        }
        Ok((options.create(true).open(path)?, true))
    }

    fn path(&self, key: FileKey) -> io::Result<PathBuf> {
        let extension = match key.file {
            SegmentFile::Log | SegmentFile::DirectLog => "log",
            SegmentFile::Index(IndexKind::Offset) => "index",
            SegmentFile::Index(IndexKind::Time) => "timeindex",
            SegmentFile::Index(IndexKind::Transaction) => "txnindex",
        };
        let missing = || {
            let text = format!("partition slot {} has no directory", key.slot.0);
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let directory = self.directory(key.slot).ok_or_else(missing)?;
        Ok(directory.join(format!("{:020}.{extension}", key.base)))
    }
}

fn is_refusal_of_direct(key: FileKey, error: &io::Error) -> bool {
    key.file == SegmentFile::DirectLog && error.raw_os_error() == Some(libc::EINVAL)
}

#[cfg(test)]
mod tests;
