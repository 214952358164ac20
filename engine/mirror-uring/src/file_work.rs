//! What each file task does, with blocking calls.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_log::partition_files::{FileName, PartitionFiles as _};
use mirror_shard::op::{FileFault, FileOutcome, FileTask};

use crate::real_files::{RealFiles, sync_parent};

/// Runs one task on a partition's directory.
pub(crate) fn run(directory: &Path, task: FileTask) -> Result<FileOutcome, FileFault> {
    match task {
        FileTask::WriteEpochs(contents) => {
            let mut files = RealFiles::new(directory.to_owned());
            files.replace(FileName::LEADER_EPOCH_CHECKPOINT, &contents)?;
            Ok(FileOutcome::EpochsWritten)
        }
        FileTask::Remove => {
            remove(directory)?;
            Ok(FileOutcome::Removed)
        }
        FileTask::Load { .. } => {
            RealFiles::create(directory.to_owned())?;
            Err(io::Error::from(io::ErrorKind::Unsupported).into())
        }
        FileTask::CloseSegment(_) | FileTask::RetireSegments(_) | FileTask::CloseLog(_) => {
            Err(io::Error::from(io::ErrorKind::Unsupported).into())
        }
    }
}

/// Deletes a partition's directory as Kafka does: out of the way by rename first, so that a
/// crash leaves either the whole log or a name every start cleans up.
fn remove(directory: &Path) -> io::Result<()> {
    let doomed = deleted_name(directory);
    match fs::rename(directory, &doomed) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    }
    sync_parent(directory)?;
    fs::remove_dir_all(&doomed)
}

/// `<topic>-<partition>.<32 hex digits>-delete`, cut to the longest file name
/// (`LocalLog.logDeleteDirName`).
fn deleted_name(directory: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let unique = (now << 24) | (u128::from(std::process::id()) << 8) | u128::from(count % 256);
    let suffix = format!(".{unique:032x}-delete");
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Legal topic names are ASCII, so any cut is between characters.
    let kept = name.len().min(FILE_NAME_BYTES_MAX - suffix.len());
    directory.with_file_name(format!("{}{suffix}", &name[..kept]))
}

const FILE_NAME_BYTES_MAX: usize = 255;
