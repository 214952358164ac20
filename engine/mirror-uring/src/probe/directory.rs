//! What the file system under a directory offers, found out by trying.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Instant;

/// Facts about the file system that holds a directory.
#[derive(Clone, Debug)]
pub struct DirectoryFacts {
    /// Type of the file system, as mounted: `ext4`, `xfs`, `overlay`.
    pub file_system: Option<String>,
    /// Smallest unit of direct writes, bytes; `None` when it refuses them. The engine's unit is
    /// [`DIRECT_ALIGNMENT`](mirror_shard::limits::DIRECT_ALIGNMENT).
    pub direct_write_bytes_min: Option<usize>,
    /// Whether it can replace a file atomically and make the new name durable.
    pub can_replace_durably: bool,
}

/// Rates of writing to new files, in bytes per second, the final sync included.
#[derive(Clone, Copy, Debug)]
pub struct WriteRates {
    /// Direct writes of 1 MiB, eight at a time; `None` when the file system refuses them.
    pub direct_bytes_per_second: Option<f64>,
    /// Writes of 1 MiB through the page cache, one at a time.
    pub buffered_bytes_per_second: f64,
}

/// Looks at the file system under `path`. Makes small files there and deletes them.
///
/// # Errors
///
/// The system's, when the directory cannot be written to.
pub fn directory(path: &Path) -> io::Result<DirectoryFacts> {
    let probe = ProbeFile::new(path, "facts");
    File::create(&probe.0)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let absolute = fs::canonicalize(path)?;
    Ok(DirectoryFacts {
        file_system: file_system_of(&mounts, &absolute).map(str::to_owned),
        direct_write_bytes_min: direct_write_bytes_min(&probe.0),
        can_replace_durably: replaces_durably(path, &probe.0),
    })
}

/// Writes `bytes` (rounded to whole rounds of 8 MiB) twice under `path` and measures.
///
/// # Errors
///
/// The system's; a full disk among them.
pub fn measure_writes(path: &Path, bytes: u64) -> io::Result<WriteRates> {
    let rounds = bytes.div_ceil(WRITERS * BLOCK_BYTES_64).max(1);
    let probe = ProbeFile::new(path, "direct");
    let direct = match open(&probe.0, libc::O_DIRECT) {
        Ok(file) => Some(rate(rounds, || write_in_parallel(&file, rounds))?),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => None,
        Err(error) => return Err(error),
    };
    drop(probe);
    let probe = ProbeFile::new(path, "buffered");
    let file = open(&probe.0, 0)?;
    let blocks = rounds * WRITERS;
    let buffered = rate(rounds, || write_blocks(&file, 0, 1, blocks))?;
    Ok(WriteRates { direct_bytes_per_second: direct, buffered_bytes_per_second: buffered })
}

fn rate(rounds: u64, write: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let start = Instant::now();
    write()?;
    let mib = u32::try_from(rounds * WRITERS).unwrap_or(u32::MAX);
    Ok(f64::from(mib) * f64::from(1 << 20) / start.elapsed().as_secs_f64())
}

fn write_in_parallel(file: &File, rounds: u64) -> io::Result<()> {
    thread::scope(|scope| {
        let start = |first| scope.spawn(move || write_blocks(file, first, WRITERS, rounds));
        let writers: Vec<_> = (0..WRITERS).map(start).collect();
        writers.into_iter().try_for_each(|writer| {
            writer.join().unwrap_or_else(|_| Err(io::Error::other("a writer panicked")))
        })
    })
}

/// Writes `count` blocks, the first at block `first`, then every `step`-th; syncs.
fn write_blocks(file: &File, first: u64, step: u64, count: u64) -> io::Result<()> {
    let mut memory = vec![0x5a; 2 * BLOCK_BYTES];
    let block = aligned(&mut memory, BLOCK_BYTES, BLOCK_BYTES);
    for number in 0..count {
        file.write_all_at(block, (first + number * step) * BLOCK_BYTES_64)?;
    }
    file.sync_data()
}

fn direct_write_bytes_min(path: &Path) -> Option<usize> {
    let file = open(path, libc::O_DIRECT).ok()?;
    let mut memory = vec![0; 3 * UNIT_BYTES_MAX];
    // An address that is a multiple of the unit and of nothing larger: a stricter file system
    // must not pass by luck.
    let accepts = |unit: &usize| {
        let strict = aligned(&mut memory, 2 * UNIT_BYTES_MAX.min(*unit), 3 * *unit);
        file.write_all_at(&strict[*unit..2 * *unit], 0).is_ok()
    };
    [512, 1024, 2048, UNIT_BYTES_MAX].into_iter().find(accepts)
}

/// `bytes` of `memory` that begin at a multiple of `alignment`.
fn aligned(memory: &mut [u8], alignment: usize, bytes: usize) -> &mut [u8] {
    let address = memory.as_ptr().addr();
    let skip = address.next_multiple_of(alignment) - address;
    &mut memory[skip..skip + bytes]
}

fn replaces_durably(directory: &Path, probe: &Path) -> bool {
    let other = ProbeFile::new(directory, "replacement");
    let replace = || -> io::Result<()> {
        File::create(&other.0)?.sync_all()?;
        fs::rename(&other.0, probe)?;
        File::open(directory)?.sync_all()
    };
    replace().is_ok()
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)
}

/// Type of the file system of the innermost mount that holds `path` (`proc_pid_mountinfo(5)`).
fn file_system_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let holds = |line: &'a str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        path.starts_with(point).then_some((point.len(), right.split(' ').next()?))
    };
    // Of mounts on one point the last covers the others; `max_by_key` keeps the last.
    mounts.lines().filter_map(holds).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// A file deleted when dropped.
struct ProbeFile(PathBuf);

impl ProbeFile {
    fn new(directory: &Path, what: &str) -> Self {
        Self(directory.join(format!(".ringmirror-probe-{what}-{}", process::id())))
    }
}

impl Drop for ProbeFile {
    fn drop(&mut self) {
        // It may be gone by a rename, or never have been made.
        let _ = fs::remove_file(&self.0);
    }
}

const UNIT_BYTES_MAX: usize = 4096;
const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_BYTES_64: u64 = 1 << 20;
const WRITERS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    #[test]
    fn the_innermost_and_last_mount_names_the_file_system() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
                      2 1 8:2 / /data rw shared:1 - xfs /dev/b rw\n\
                      3 1 8:3 / /data rw - btrfs /dev/c rw\n\
                      4 1 8:4 / /database rw - tmpfs none rw\n";
        let of = |path| file_system_of(mounts, Path::new(path));
        assert_eq!(of("/data/orders-0"), Some("btrfs"));
        assert_eq!(of("/home"), Some("ext4"));
    }

    #[test]
    fn looking_and_measuring_leave_nothing_behind() {
        let test = TestDirectory::new();
        let facts = directory(test.path()).unwrap();
        assert!(facts.can_replace_durably);
        assert!(facts.file_system.is_some());
        let rates = measure_writes(test.path(), 1).unwrap();
        assert!(rates.buffered_bytes_per_second > 0.0);
        assert_eq!(rates.direct_bytes_per_second.is_some(), facts.direct_write_bytes_min.is_some());
        assert_eq!(fs::read_dir(test.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let test = TestDirectory::new();
        assert!(directory(&test.path().join("missing")).is_err());
    }

    #[test]
    fn aligned_memory_begins_at_a_multiple() {
        let mut memory = vec![0; 3 * 4096];
        let slice = aligned(&mut memory, 4096, 4096);
        assert_eq!((slice.as_ptr().addr() % 4096, slice.len()), (0, 4096));
    }
}
