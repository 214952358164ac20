//! Memory to disk: direct writes of 1 MiB, sixteen in flight, one thread each; and to memory.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate};

use crate::machine::{HugeBuffers, pin, thread_cpu};
use crate::measurement::Sample;

/// Bytes of the file that is written.
pub const DISK_FILE_BYTES: u64 = 2 << 30;
/// Writes in flight.
pub const DISK_DEPTH: usize = 16;
const CHUNK_BYTES: u64 = 1 << 20;

/// A file to overwrite, and what to write; the file is removed when dropped.
#[derive(Debug)]
pub struct DiskProbe {
    directory: PathBuf,
    disk: DiskFile,
    buffers: HugeBuffers,
}

impl DiskProbe {
    /// Makes buffers and a file in `directory` whose blocks have all been written once.
    ///
    /// # Errors
    /// When the directory takes no direct writes, or memory or disk space is missing.
    pub fn new(directory: &Path) -> Result<Self> {
        let mut buffers = HugeBuffers::new(DISK_DEPTH)?;
        let disk = DiskFile::create(directory, libc::O_DIRECT)?;
        // The first pass allocates blocks; only overwriting is measured.
        write(&disk.file, DISK_FILE_BYTES, &mut buffers, Pass::WholeFile)?;
        Ok(Self { directory: directory.to_owned(), disk, buffers })
    }

    /// Overwrites the file again and again for `time`.
    ///
    /// # Errors
    /// The system's.
    pub fn overwrite(&mut self, time: Duration) -> Result<Sample> {
        write(&self.disk.file, DISK_FILE_BYTES, &mut self.buffers, Pass::For(time))
    }

    /// Fills a new file whose space was reserved, as long as it has room, for `time` at most.
    ///
    /// # Errors
    /// The system's.
    pub fn fill_reserved(&mut self, time: Duration) -> Result<Sample> {
        fill_reserved(&self.directory, &mut self.buffers, DISK_FILE_BYTES, time)
    }
}

/// Fills a new file of `file_bytes` reserved in `directory`, a writer for each buffer, for `time`
/// at most; the file is removed.
///
/// # Errors
/// When the directory takes no direct writes, or has no room.
pub fn fill_reserved(
    directory: &Path,
    buffers: &mut HugeBuffers,
    file_bytes: u64,
    time: Duration,
) -> Result<Sample> {
    let disk = DiskFile::create(directory, libc::O_DIRECT)?;
    fallocate(&disk.file, FallocateFlags::empty(), 0, file_bytes)
        .context("reserving disk space")?;
    write(&disk.file, file_bytes, buffers, Pass::WholeFileFor(time))
}

/// Appends 1 MiB at a time through the page cache to a new file, on the core given, for `time` or
/// up to `bytes_max`; the file is removed.
///
/// # Errors
/// The system's.
pub fn append_buffered(
    directory: &Path,
    core: usize,
    bytes_max: u64,
    time: Duration,
) -> Result<Sample> {
    let append = move || -> Result<Sample> {
        pin(core)?;
        let mut buffers = HugeBuffers::new(1)?;
        let buffer = buffers.chunks_mut().next().context("one buffer was made")?;
        let disk = DiskFile::create(directory, 0)?;
        let (mut bytes, begun, before) = (0, Instant::now(), thread_cpu()?);
        while bytes + CHUNK_BYTES <= bytes_max && begun.elapsed() < time {
            disk.file.write_all_at(buffer, bytes)?;
            bytes += CHUNK_BYTES;
        }
        let elapsed = begun.elapsed();
        Ok(Sample { bytes, elapsed, cpu: thread_cpu()?.saturating_sub(before) })
    };
    let append = &append;
    thread::scope(|scope| scope.spawn(append).join())
        .unwrap_or_else(|_| anyhow::bail!("a writer panicked"))
}

#[derive(Clone, Copy)]
enum Pass {
    WholeFile,
    WholeFileFor(Duration),
    For(Duration),
}

impl Pass {
    fn is_over(self, chunk: u64, file_bytes: u64, begun: Instant) -> bool {
        let is_full = (chunk + 1) * CHUNK_BYTES > file_bytes;
        match self {
            Self::WholeFile => is_full,
            Self::WholeFileFor(time) => is_full || begun.elapsed() >= time,
            Self::For(time) => begun.elapsed() >= time,
        }
    }
}

/// Writes the file in order, from the start again when it is full.
fn write(file: &File, file_bytes: u64, buffers: &mut HugeBuffers, pass: Pass) -> Result<Sample> {
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    let next = &next;
    let mut total = Sample { bytes: 0, elapsed: Duration::ZERO, cpu: Duration::ZERO };
    let write = |chunk: &mut [u8]| -> Result<(u64, Duration)> {
        let before = thread_cpu()?;
        let mut bytes = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if pass.is_over(number, file_bytes, begun) {
                return Ok((bytes, thread_cpu()?.saturating_sub(before)));
            }
            file.write_all_at(chunk, number * CHUNK_BYTES % file_bytes)?;
            bytes += CHUNK_BYTES;
        }
    };
    let write = &write;
    thread::scope(|scope| -> Result<()> {
        let writers: Vec<_> =
            buffers.chunks_mut().map(|chunk| scope.spawn(move || write(chunk))).collect();
        for writer in writers {
            let written = writer.join().unwrap_or_else(|_| anyhow::bail!("a writer panicked"));
            let (bytes, cpu) = written.context("writing to the disk")?;
            total.bytes += bytes;
            total.cpu += cpu;
        }
        Ok(())
    })?;
    total.elapsed = begun.elapsed();
    Ok(total)
}

/// The probe file; removed when dropped.
#[derive(Debug)]
struct DiskFile {
    file: File,
    path: PathBuf,
}

impl DiskFile {
    fn create(directory: &Path, flags: i32) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("perf-disk-{}-{number}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).custom_flags(flags);
        let file = options
            .open(&path)
            .with_context(|| format!("making {} to be written to", path.display()))?;
        Ok(Self { file, path })
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // Nothing else can be done about a file that does not go away.
        let _ = std::fs::remove_file(&self.path);
        // Freed blocks are discarded by the next commit of the journal, seconds later: now, not
        // while something else is measured.
        rustix::fs::sync();
    }
}
