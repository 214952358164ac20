//! A partition's files in memory, with what a crash may take: for tests and the simulator.
//!
//! Reads see every write at once. A crash goes back to what was synced and lets its caller say,
//! change by change, how much of the rest had reached the disk.

use std::collections::BTreeMap;
use std::io;

use crate::partition_files::{FileName, PartitionFiles};

/// Files of one partition in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<FileName, MemoryFile>,
    /// Deleted, but the deletion is not durable: what comes back in a crash, oldest first.
    removed: Vec<(FileName, Vec<u8>)>,
}

#[derive(Clone, Debug, Default)]
struct MemoryFile {
    contents: Vec<u8>,
    /// Contents and existence as of the last sync.
    synced: Option<Vec<u8>>,
    unsynced: Vec<UnsyncedChange>,
    /// Changes made so far, durable ones included.
    change_count: u64,
}

/// A change that a crash may undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsyncedChange {
    /// The file was created.
    Create,
    /// Bytes were written.
    Write {
        /// Where.
        position: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The length was set.
    Truncate {
        /// The new length.
        bytes: u64,
    },
    /// The file was deleted.
    Remove,
}

impl MemoryFiles {
    /// Contents of a file as readers see them.
    #[must_use]
    pub fn contents(&self, file: FileName) -> Option<&[u8]> {
        self.files.get(&file).map(|file| file.contents.as_slice())
    }

    /// What a crash now leaves of a file at least; `None` when not even its name is durable.
    #[must_use]
    pub fn durable(&self, file: FileName) -> Option<&[u8]> {
        self.files.get(&file)?.synced.as_deref()
    }

    /// Changes made to a file so far: what a sync that begins now has to make durable.
    #[must_use]
    pub fn change_count(&self, file: FileName) -> u64 {
        self.files.get(&file).map_or(0, |file| file.change_count)
    }

    /// Makes the first `change_count` changes of a file durable and leaves later ones alone: what
    /// a sync guarantees when writes go on while it runs.
    pub fn sync_up_to(&mut self, file: FileName, change_count: u64) {
        if let Some(file) = self.files.get_mut(&file) {
            file.sync_up_to(change_count);
        }
    }

    /// Names of the files as readers see them.
    pub fn names(&self) -> impl Iterator<Item = FileName> {
        self.files.keys().copied()
    }

    /// Loses what was not synced. `keep` tells how much of each change survives: of a write that
    /// many bytes from its start, of any other change all when it is above 0. Deletions survive in
    /// their order, as the journals of ext4, XFS and btrfs have it: what is deleted from the end
    /// never leaves a hole.
    pub fn crash(&mut self, mut keep: impl FnMut(FileName, &UnsyncedChange) -> usize) {
        let mut lost = false;
        for (name, contents) in std::mem::take(&mut self.removed) {
            lost |= keep(name, &UnsyncedChange::Remove) == 0;
            // A name that was deleted and made again is the new file.
            if lost && !self.files.contains_key(&name) {
                self.files.insert(name, MemoryFile::durable(contents));
            }
        }
        let names: Vec<FileName> = self.files.keys().copied().collect();
        for name in names {
            let file = self.files.remove(&name).expect("the name was just listed");
            if let Some(file) = file.after_crash(|change| keep(name, change)) {
                self.files.insert(name, file);
            }
        }
    }

    fn file_mut(&mut self, name: FileName) -> &mut MemoryFile {
        self.files.entry(name).or_insert_with(|| MemoryFile {
            unsynced: vec![UnsyncedChange::Create],
            change_count: 1,
            ..MemoryFile::default()
        })
    }
}

impl MemoryFile {
    fn durable(contents: Vec<u8>) -> Self {
        Self { synced: Some(contents.clone()), contents, ..Self::default() }
    }

    fn sync_up_to(&mut self, change_count: u64) {
        let durable_count = self.change_count - self.unsynced.len() as u64;
        let newly = usize::try_from(change_count.saturating_sub(durable_count));
        let newly = newly.expect("changes lie in memory").min(self.unsynced.len());
        let synced = self.synced.get_or_insert_default();
        for change in self.unsynced.drain(..newly) {
            apply(synced, &change, usize::MAX);
        }
    }

    fn change(&mut self, change: UnsyncedChange) {
        apply(&mut self.contents, &change, usize::MAX);
        self.unsynced.push(change);
        self.change_count += 1;
    }

    fn after_crash(self, mut keep: impl FnMut(&UnsyncedChange) -> usize) -> Option<Self> {
        let mut exists = self.synced.is_some();
        let mut contents = self.synced.unwrap_or_default();
        for change in &self.unsynced {
            let kept = keep(change);
            exists |= *change == UnsyncedChange::Create && kept > 0;
            apply(&mut contents, change, kept);
        }
        exists.then(|| Self::durable(contents))
    }
}

fn apply(contents: &mut Vec<u8>, change: &UnsyncedChange, kept: usize) {
    match change {
        UnsyncedChange::Write { position, bytes } => {
            let bytes = &bytes[..bytes.len().min(kept)];
            let start = in_memory(*position);
            if bytes.is_empty() {
                return;
            }
            let end = start + bytes.len();
            contents.resize(contents.len().max(end), 0);
            contents[start..end].copy_from_slice(bytes);
        }
        UnsyncedChange::Truncate { bytes } if kept > 0 => contents.resize(in_memory(*bytes), 0),
        UnsyncedChange::Create | UnsyncedChange::Truncate { .. } | UnsyncedChange::Remove => {}
    }
}

fn in_memory(position: u64) -> usize {
    usize::try_from(position).expect("files in memory are small")
}

fn not_found(file: FileName) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{file} does not exist"))
}

impl PartitionFiles for MemoryFiles {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        let length = |file: &MemoryFile| file.contents.len() as u64;
        Ok(self.files.iter().map(|(name, file)| (*name, length(file))).collect())
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let contents = self.contents(file).ok_or_else(|| not_found(file))?;
        let from = contents.get(in_memory(position)..).unwrap_or_default();
        let read = from.len().min(into.len());
        into[..read].copy_from_slice(&from[..read]);
        Ok(read)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file_mut(file).change(UnsyncedChange::Write { position, bytes: bytes.to_vec() });
        Ok(())
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        let file = self.files.get_mut(&file).ok_or_else(|| not_found(file))?;
        file.change(UnsyncedChange::Truncate { bytes });
        Ok(())
    }

    /// As on ext4, XFS and btrfs, this makes the file's creation durable too.
    fn sync(&mut self, file: FileName) -> io::Result<()> {
        let file = self.files.get_mut(&file).ok_or_else(|| not_found(file))?;
        file.sync_up_to(file.change_count);
        Ok(())
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.files.insert(file, MemoryFile::durable(contents.to_vec()));
        self.removed.retain(|(name, _)| *name != file);
        Ok(())
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        if let Some(removed) = self.files.remove(&file)
            && let Some(synced) = removed.synced
        {
            self.removed.push((file, synced));
        }
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.removed.clear();
        for file in self.files.values_mut() {
            if file.synced.is_none() {
                // A creation is the first change of a file that is not durable.
                file.sync_up_to(1);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
