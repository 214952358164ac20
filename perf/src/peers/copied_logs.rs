//! What lies in a directory of logs: how far a copying is, and whether it is the source's bytes.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::needed_process::{NeededProcess, ensure_all_run};
use crate::peers::CopyPlan;

/// A copying that takes so long is stuck.
pub const COPY_TIME_MAX: Duration = Duration::from_secs(300);
/// From one look at how far a copying is to the next.
pub const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Asks `is_so` again after each pause until it is; `begun` is when the waiting began, `needed` who
/// has to run meanwhile, and `stuck` says what is the matter when it takes too long.
///
/// # Errors
/// What `is_so` says, that it takes too long, or that a process has ended that it needs.
pub fn until(
    pause: Duration,
    begun: Instant,
    needed: &[NeededProcess],
    stuck: impl Fn() -> String,
    mut is_so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    while !is_so()? {
        ensure!(begun.elapsed() <= COPY_TIME_MAX, "{} after {COPY_TIME_MAX:?}", stuck());
        ensure_all_run(needed)?;
        thread::sleep(pause);
    }
    Ok(())
}

/// Bytes of all segments of a partition; 0 while it is not there.
///
/// # Errors
/// When the directory cannot be read.
pub fn log_bytes(directory: &Path, topic: &str, partition: u32) -> Result<u64> {
    let mut bytes = 0;
    for path in segments(directory, topic, partition)? {
        // Deleted meanwhile, it has none.
        bytes += fs::metadata(path).map_or(0, |file| file.len());
    }
    Ok(bytes)
}

/// Refuses a copy that has another number of bytes than the source, or, where the plan says with
/// what to compare it, other bytes.
///
/// # Errors
/// Which file differs, and where in it.
pub fn check(plan: &CopyPlan<'_>, directory: &Path) -> Result<()> {
    let mut bytes = 0;
    for partition in 0..plan.partitions {
        bytes += log_bytes(directory, plan.topic, partition)?;
    }
    let wanted = plan.bytes;
    ensure!(bytes == wanted, "{bytes} bytes were copied of {wanted}");
    let Some(original) = plan.compare_with else { return Ok(()) };
    for partition in 0..plan.partitions {
        let mut original = Segments::open(original, plan.topic, partition)?;
        let mut copy = Segments::open(directory, plan.topic, partition)?;
        if let Some(at) = original.first_difference(&mut copy)? {
            let (topic, place) = (plan.topic, copy.place());
            bail!("{topic}-{partition} differs from the source at byte {at}: {place}");
        }
    }
    Ok(())
}

/// The segments of a partition, oldest first; none while it is not there.
///
/// # Errors
/// When the directory cannot be read.
pub fn segments(directory: &Path, topic: &str, partition: u32) -> Result<Vec<PathBuf>> {
    let log = directory.join(format!("{topic}-{partition}"));
    let Ok(entries) = fs::read_dir(&log) else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", log.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            paths.push(path);
        }
    }
    // Their names are base offsets with leading zeros.
    paths.sort();
    Ok(paths)
}

/// The bytes of a partition, whatever segments they lie in.
struct Segments {
    left: std::vec::IntoIter<PathBuf>,
    current: Option<BufReader<File>>,
    /// The current file, or the last one, and how much of it was consumed.
    path: PathBuf,
    consumed: usize,
}

impl Segments {
    fn open(directory: &Path, topic: &str, partition: u32) -> Result<Self> {
        let left = segments(directory, topic, partition)?.into_iter();
        let path = directory.join(format!("{topic}-{partition}"));
        Ok(Self { left, current: None, path, consumed: 0 })
    }

    /// The next bytes; none at the end.
    fn fill(&mut self) -> Result<&[u8]> {
        loop {
            let is_at_end = match &mut self.current {
                Some(file) => file.fill_buf()?.is_empty(),
                None => true,
            };
            if !is_at_end {
                break;
            }
            let Some(path) = self.left.next() else { return Ok(&[]) };
            let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
            self.current = Some(BufReader::with_capacity(READ_BYTES, file));
            (self.path, self.consumed) = (path, 0);
        }
        Ok(self.current.as_mut().map_or(&[][..], |file| file.buffer()))
    }

    fn consume(&mut self, bytes: usize) {
        if let Some(file) = &mut self.current {
            file.consume(bytes);
            self.consumed += bytes;
        }
    }

    /// Where the next bytes are.
    fn place(&self) -> String {
        format!("byte {} of {}", self.consumed, self.path.display())
    }

    /// Where both begin to differ, or one ends before the other; both are there then.
    fn first_difference(&mut self, other: &mut Self) -> Result<Option<usize>> {
        let mut at = 0;
        loop {
            let (mine, theirs) = (self.fill()?, other.fill()?);
            let common = mine.len().min(theirs.len());
            if mine[..common] != theirs[..common] {
                let same = mine.iter().zip(theirs).take_while(|(mine, theirs)| mine == theirs);
                let same = same.count();
                self.consume(same);
                other.consume(same);
                return Ok(Some(at + same));
            }
            if common == 0 {
                let is_end = mine.is_empty() && theirs.is_empty();
                return Ok((!is_end).then_some(at));
            }
            at += common;
            self.consume(common);
            other.consume(common);
        }
    }
}

const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
