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

impl FileName {
    /// `leader-epoch-checkpoint`
    pub const LEADER_EPOCH_CHECKPOINT: Self =
        Self { kind: FileKind::LeaderEpochCheckpoint, offset: Offset::ZERO };
    /// `partition.metadata`
    pub const PARTITION_METADATA: Self =
        Self { kind: FileKind::PartitionMetadata, offset: Offset::ZERO };

    /// `<base>.log`
    #[must_use]
    pub const fn log(base: Offset) -> Self {
        Self { kind: FileKind::Log, offset: base }
    }

    /// `<base>.index`
    #[must_use]
    pub const fn offset_index(base: Offset) -> Self {
        Self { kind: FileKind::OffsetIndex, offset: base }
    }

    /// `<base>.timeindex`
    #[must_use]
    pub const fn time_index(base: Offset) -> Self {
        Self { kind: FileKind::TimeIndex, offset: base }
    }

    /// `<base>.txnindex`
    #[must_use]
    pub const fn transaction_index(base: Offset) -> Self {
        Self { kind: FileKind::TransactionIndex, offset: base }
    }

    /// `<offset>.snapshot`
    #[must_use]
    pub const fn snapshot(offset: Offset) -> Self {
        Self { kind: FileKind::ProducerSnapshot, offset }
    }

    /// The name in the directory; offsets are padded to 20 digits.
    #[must_use]
    pub fn text(self) -> String {
        match self.kind.suffix() {
            Some(suffix) => format!("{:020}.{suffix}", self.offset.get()),
            None if self.kind == FileKind::PartitionMetadata => PARTITION_METADATA.to_owned(),
            None => LEADER_EPOCH_CHECKPOINT.to_owned(),
        }
    }

    /// Parses a name in the directory; `None` for every name this format does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            PARTITION_METADATA => return Some(Self::PARTITION_METADATA),
            LEADER_EPOCH_CHECKPOINT => return Some(Self::LEADER_EPOCH_CHECKPOINT),
            _ => {}
        }
        let (digits, suffix) = text.split_once('.')?;
        if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let kind = *FileKind::WITH_OFFSET.iter().find(|kind| kind.suffix() == Some(suffix))?;
        Some(Self { kind, offset: Offset::from_wire(digits.parse().ok()?)? })
    }
}

impl FileKind {
    /// The kinds whose names carry an offset.
    const WITH_OFFSET: [Self; 5] = [
        Self::Log,
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TransactionIndex,
        Self::ProducerSnapshot,
    ];

    const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Log => Some("log"),
            Self::OffsetIndex => Some("index"),
            Self::TimeIndex => Some("timeindex"),
            Self::TransactionIndex => Some("txnindex"),
            Self::ProducerSnapshot => Some("snapshot"),
            Self::LeaderEpochCheckpoint | Self::PartitionMetadata => None,
        }
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text())
    }
}

/// Digits of an offset in a file name (`LogFileUtils.filenamePrefixFromOffset`).
const OFFSET_DIGITS: usize = 20;
const PARTITION_METADATA: &str = "partition.metadata";
const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

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
    /// Replaces the whole file atomically and durably: temporary name, sync, rename, directory
    /// sync.
    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()>;
    /// Deletes the file; no error when it is not there.
    fn remove(&mut self, file: FileName) -> io::Result<()>;
    /// Makes creations and deletions durable.
    fn sync_directory(&mut self) -> io::Result<()>;
    /// Holds no file open any more; the next use of one opens it again.
    fn release(&mut self) {}
}

#[cfg(test)]
mod tests;
