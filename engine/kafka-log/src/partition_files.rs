//! The files of one partition, as recovery and closing see them: a trait, so that the real
//! file system and the simulator's disk run the same code.

use std::io;

use kafka_wire::offset::Offset;

/// What a file of a partition directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `<base>.log`
    Log,
    /// `<base>.index`
    OffsetIndex,
    /// `<base>.timeindex`
    TimeIndex,
    /// `<base>.txnindex`
    TransactionIndex,
    /// `<offset>.snapshot`
    ProducerSnapshot,
    /// `leader-epoch-checkpoint`
    LeaderEpochCheckpoint,
    /// `partition.metadata`
    PartitionMetadata,
}

/// Name of a file in a partition directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// What it is.
    pub kind: FileKind,
    /// The offset in its name; zero for the files that carry none.
    pub offset: Offset,
}

/// The files of one partition. Blocking; used by recovery and closing only.
pub trait PartitionFiles {
    /// Every file whose name [`FileName`] knows, with its length in bytes; others are ignored.
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>>;
    /// Reads up to `into.len()` bytes at `position`; fewer only at the end of the file.
    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes at `position`, creating the file.
    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()>;
    /// Sets the file's length.
    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()>;
    /// Makes the file's bytes and length durable.
    fn sync(&mut self, file: FileName) -> io::Result<()>;
    /// Replaces the whole file atomically and durably: temporary name, sync, rename, directory sync.
    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()>;
    /// Deletes the file; no error when it is not there.
    fn remove(&mut self, file: FileName) -> io::Result<()>;
    /// Makes creations and deletions durable.
    fn sync_directory(&mut self) -> io::Result<()>;
}
