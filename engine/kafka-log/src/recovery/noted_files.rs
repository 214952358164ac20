//! Files of a partition that remember whether anything changed.
//!
//! All of a log that was closed cleanly is durable. To sync it again makes a disk flush its cache,
//! and a node with many partitions opens many such logs at once.

use std::io;

use crate::partition_files::{FileName, PartitionFiles};

#[derive(Debug)]
pub(super) struct NotedFiles<'a, F> {
    files: &'a mut F,
    /// Some bytes may not be durable.
    has_new_bytes: bool,
    /// Some name may not be durable.
    has_new_names: bool,
}

impl<'a, F: PartitionFiles> NotedFiles<'a, F> {
    /// `is_synced` says that everything is durable now.
    pub(super) const fn new(files: &'a mut F, is_synced: bool) -> Self {
        Self { files, has_new_bytes: !is_synced, has_new_names: !is_synced }
    }
}

impl<F: PartitionFiles> PartitionFiles for NotedFiles<'_, F> {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.files.list()
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.files.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        (self.has_new_bytes, self.has_new_names) = (true, true);
        self.files.write_at(file, position, bytes)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.has_new_bytes = true;
        self.files.truncate(file, bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        if self.has_new_bytes { self.files.sync(file) } else { Ok(()) }
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.has_new_names = true;
        self.files.replace(file, contents)
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.has_new_names = true;
        self.files.remove(file)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        if self.has_new_names {
            self.files.sync_directory()?;
            self.has_new_names = false;
        }
        Ok(())
    }
}
