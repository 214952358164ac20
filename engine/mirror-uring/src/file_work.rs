//! What each file task does, with blocking calls.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_log::closing;
use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::recovery::{self, LogCut};
use mirror_shard::op::{FileFault, FileOutcome, FileTask};

use crate::deferred_files::{DeferredFiles, SharedSync};
use crate::real_files::{RealFiles, sync_parent};
use crate::recycled::RecycledFiles;

/// Runs one task on a partition's directory.
pub(crate) fn run(
    directory: &Path,
    recycled: &RecycledFiles,
    task: FileTask,
) -> Result<FileOutcome, FileFault> {
    let mut files = RealFiles::new(directory.to_owned());
    Ok(match task {
        FileTask::Load { request, .. } => {
            files.create_directory()?;
            match request.cut {
                LogCut::Keep => recycled.adopt(directory)?,
                LogCut::TruncateTo(_) | LogCut::StartAt(_) => recycled.clear(directory)?,
            }
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
            for base in &bases {
                recycled.keep(directory, &directory.join(FileName::log(*base).text()))?;
            }
            closing::retire_segments(&mut files, &bases)?;
            FileOutcome::SegmentsRetired
        }
        FileTask::CloseLog(log) => {
            closing::close_log(&mut files, &log)?;
            recycled.clear(directory)?;
            FileOutcome::LogClosed
        }
        FileTask::Remove => {
            recycled.clear(directory)?;
            remove(directory)?;
            FileOutcome::Removed
        }
    })
}

/// True for a task that takes longer to sync than to do: many of them are done together.
pub(crate) const fn is_short(task: &FileTask) -> bool {
    match task {
        FileTask::CloseLog(_) | FileTask::WriteEpochs(_) => true,
        // A log that no checkpoint knows was never written for long.
        FileTask::Load { request, .. } => {
            request.recovery_point.is_none() && matches!(request.cut, LogCut::Keep)
        }
        FileTask::CloseSegment(_) | FileTask::RetireSegments(_) | FileTask::Remove => false,
    }
}

/// Does short tasks of many logs with two syncs of the file system, which writes more than their
/// own bytes, but costs less than a few syncs of files each. A log whose task fails is recovered by
/// whoever opens it next.
pub(crate) fn run_together(
    tasks: Vec<(PathBuf, FileTask)>,
    recycled: &RecycledFiles,
) -> Vec<Result<FileOutcome, FileFault>> {
    let root = tasks.first().and_then(|(directory, _)| directory.parent());
    let sync = match SharedSync::open(root.unwrap_or_else(|| Path::new("."))) {
        Ok(sync) => sync,
        Err(error) => {
            let refused = || io::Error::new(error.kind(), error.to_string());
            return tasks.iter().map(|_| Err(refused().into())).collect();
        }
    };
    let (mut written, mut outcomes) = (Vec::new(), Vec::new());
    for (directory, task) in tasks {
        let mut files = DeferredFiles::new(directory.clone());
        let outcome = run_deferred(&directory, &mut files, recycled, task);
        if outcome.is_ok() {
            files.release();
            written.push(files);
        }
        outcomes.push(outcome);
    }
    let mut settled = sync.settle(written).into_iter();
    let settled = outcomes.into_iter().map(|outcome| {
        let outcome = outcome?;
        settled.next().expect("every log that was written is settled")?;
        Ok(outcome)
    });
    settled.collect()
}

/// Does a short task but for making it durable.
fn run_deferred(
    directory: &Path,
    files: &mut DeferredFiles,
    recycled: &RecycledFiles,
    task: FileTask,
) -> Result<FileOutcome, FileFault> {
    Ok(match task {
        FileTask::Load { request, .. } => {
            files.create_directory()?;
            recycled.adopt(directory)?;
            FileOutcome::Loaded(Box::new(recovery::load(files, &request)?))
        }
        FileTask::WriteEpochs(contents) => {
            files.replace(FileName::LEADER_EPOCH_CHECKPOINT, &contents)?;
            FileOutcome::EpochsWritten
        }
        FileTask::CloseLog(log) => {
            closing::close_log(files, &log)?;
            recycled.clear(directory)?;
            FileOutcome::LogClosed
        }
        FileTask::CloseSegment(_) | FileTask::RetireSegments(_) | FileTask::Remove => {
            unreachable!("{task:?} is not short")
        }
    })
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
