//! What lies in a partition's directory, and whole small files read from it.

use std::collections::BTreeMap;
use std::io;

use kafka_wire::offset::Offset;

use crate::partition_files::{FileKind, FileName, PartitionFiles};

/// The files of one segment, with their lengths in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SegmentFiles {
    pub(super) log_bytes: u64,
    pub(super) offset_index: Option<u64>,
    pub(super) time_index: Option<u64>,
    pub(super) transaction_index: Option<u64>,
}

/// The files of a partition, with their lengths in bytes.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) segments: BTreeMap<Offset, SegmentFiles>,
    pub(super) snapshots: BTreeMap<Offset, u64>,
    pub(super) epochs: Option<u64>,
    pub(super) metadata: Option<u64>,
    /// Indexes without a log.
    pub(super) orphans: Vec<FileName>,
}

impl Inventory {
    pub(super) fn read(files: &mut impl PartitionFiles) -> io::Result<Self> {
        let mut found = Self::default();
        let mut listed = files.list()?;
        // The kinds sort with the log first, so that its indexes find it.
        listed.sort_unstable();
        for (name, bytes) in listed {
            found.add(name, bytes);
        }
        Ok(found)
    }

    fn add(&mut self, name: FileName, bytes: u64) {
        match name.kind {
            FileKind::Log => {
                let files = SegmentFiles { log_bytes: bytes, ..SegmentFiles::default() };
                self.segments.insert(name.offset, files);
            }
            FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TransactionIndex => {
                self.add_index(name, bytes);
            }
            FileKind::ProducerSnapshot => {
                self.snapshots.insert(name.offset, bytes);
            }
            FileKind::LeaderEpochCheckpoint => self.epochs = Some(bytes),
            FileKind::PartitionMetadata => self.metadata = Some(bytes),
        }
    }

    fn add_index(&mut self, name: FileName, bytes: u64) {
        let Some(segment) = self.segments.get_mut(&name.offset) else {
            self.orphans.push(name);
            return;
        };
        match name.kind {
            FileKind::OffsetIndex => segment.offset_index = Some(bytes),
            FileKind::TimeIndex => segment.time_index = Some(bytes),
            _ => segment.transaction_index = Some(bytes),
        }
    }

    pub(super) fn bases(&self) -> Vec<Offset> {
        self.segments.keys().copied().collect()
    }
}

/// Reads a whole file of `bytes` bytes; `None` when it is longer than `bytes_max`.
pub(super) fn read_whole(
    files: &mut impl PartitionFiles,
    name: FileName,
    bytes: u64,
    bytes_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(bytes) = usize::try_from(bytes).ok().filter(|_| bytes <= bytes_max) else {
        return Ok(None);
    };
    let mut contents = vec![0; bytes];
    let read = files.read_at(name, 0, &mut contents)?;
    contents.truncate(read);
    Ok(Some(contents))
}

/// Replaces a file unless it already holds `contents`; `bytes` is its length when it exists.
pub(super) fn replace_if_changed(
    files: &mut impl PartitionFiles,
    name: FileName,
    bytes: Option<u64>,
    contents: &[u8],
) -> io::Result<()> {
    let length = contents.len() as u64;
    if bytes == Some(0) && contents.is_empty() {
        // The indexes of an idle log: there are no bytes, and names are synced with the directory.
        return Ok(());
    }
    if bytes == Some(length)
        && read_whole(files, name, length, length)?.as_deref() == Some(contents)
    {
        return files.sync(name);
    }
    files.replace(name, contents)
}

/// Makes an index hold `contents`, in place when only its end is wrong: on a full disk there is
/// no room for another. A crash may leave any of the end; the segment must be read again then.
pub(super) fn mend_index(
    files: &mut impl PartitionFiles,
    name: FileName,
    bytes: Option<u64>,
    contents: &[u8],
) -> io::Result<()> {
    let length = contents.len() as u64;
    let kept = bytes.unwrap_or_default().min(length);
    if kept == 0 {
        return replace_if_changed(files, name, bytes, contents);
    }
    let start = read_whole(files, name, kept, length)?.unwrap_or_default();
    if !contents.starts_with(&start) {
        return files.replace(name, contents);
    }
    if bytes > Some(length) {
        files.truncate(name, length)?;
    }
    let missing = &contents[start.len()..];
    if !missing.is_empty() {
        files.write_at(name, start.len() as u64, missing)?;
    }
    files.sync(name)
}
