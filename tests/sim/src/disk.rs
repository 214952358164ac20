//! The disk: one directory per partition, in memory, that fails, fills up, and crashes.

use std::collections::BTreeMap;
use std::io;

use kafka_log::closing;
use kafka_log::memory_files::{MemoryFiles, UnsyncedChange};
use kafka_log::partition_files::{FileName, PartitionFiles};
use kafka_log::recovery;
use mirror_shard::op::{FileFault, FileOutcome, FileTask};

use crate::random::Random;

/// How the disk misbehaves now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskFaults {
    /// Operations that fail, per mille.
    pub(crate) errors_permille: u64,
    /// No write succeeds.
    pub(crate) full: bool,
}

impl DiskFaults {
    /// The error of the next operation, if it fails.
    pub(crate) fn strike(self, random: &mut Random, writes: bool) -> Option<io::Error> {
        if self.full && writes {
            return Some(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        random.permille(self.errors_permille).then(|| io::Error::other("input/output error"))
    }
}

/// Directories of all partitions, by partition index.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) directories: BTreeMap<i32, MemoryFiles>,
    pub(crate) faults: DiskFaults,
}

impl Disk {
    pub(crate) fn files(&mut self, partition: i32) -> &mut MemoryFiles {
        self.directories.entry(partition).or_default()
    }

    /// Runs a task; after `budget` operations on files nothing happens any more (a crash).
    pub(crate) fn run(
        &mut self,
        partition: i32,
        task: FileTask,
        budget: u64,
        random: &mut Random,
    ) -> Result<FileOutcome, FileFault> {
        let faults = self.faults;
        if matches!(task, FileTask::Remove) {
            if let Some(error) = faults.strike(random, false) {
                return Err(error.into());
            }
            if budget > 0 {
                self.directories.remove(&partition);
            }
            return Ok(FileOutcome::Removed);
        }
        let files = self.directories.entry(partition).or_default();
        let mut files = FaultyFiles { files, random, faults, budget };
        Ok(match task {
            FileTask::Load { request, .. } => {
                FileOutcome::Loaded(Box::new(recovery::load(&mut files, &request)?))
            }
            FileTask::CloseSegment(segment) => {
                closing::close_segment(&mut files, &segment)?;
                FileOutcome::SegmentClosed(segment.base)
            }
            FileTask::WriteEpochs(contents) => {
                files.replace(FileName::LEADER_EPOCH_CHECKPOINT, &contents)?;
                FileOutcome::EpochsWritten
            }
            FileTask::RetireSegments(bases) => {
                closing::retire_segments(&mut files, &bases)?;
                FileOutcome::SegmentsRetired
            }
            FileTask::CloseLog(log) => {
                closing::close_log(&mut files, &log)?;
                FileOutcome::LogClosed
            }
            FileTask::Remove => unreachable!("handled above"),
        })
    }

    /// Power fails: unsynced changes survive whole, in part, or not at all.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        for files in self.directories.values_mut() {
            let survival = random.pick(&[0, 50, 100]);
            files.crash(|_, change| {
                let whole = match change {
                    UnsyncedChange::Write { bytes, .. } => bytes.len(),
                    _ => 1,
                };
                if random.percent(survival) {
                    whole
                } else if random.percent(survival / 2) {
                    random.place(whole + 1)
                } else {
                    0
                }
            });
        }
    }
}

/// The files of one partition behind a disk that may refuse.
struct FaultyFiles<'a> {
    files: &'a mut MemoryFiles,
    random: &'a mut Random,
    faults: DiskFaults,
    budget: u64,
}

impl FaultyFiles<'_> {
    fn touch(&mut self, writes: bool) -> io::Result<()> {
        let left = self.budget.checked_sub(1);
        self.budget = left.ok_or_else(|| io::Error::other("power is gone"))?;
        self.faults.strike(self.random, writes).map_or(Ok(()), Err)
    }
}

impl PartitionFiles for FaultyFiles<'_> {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.touch(false)?;
        self.files.list()
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.touch(false)?;
        self.files.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.touch(!bytes.is_empty())?;
        self.files.write_at(file, position, bytes)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.touch(false)?;
        self.files.truncate(file, bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        self.touch(false)?;
        self.files.sync(file)
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.touch(true)?;
        self.files.replace(file, contents)
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.touch(false)?;
        self.files.remove(file)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.touch(false)?;
        self.files.sync_directory()
    }
}
