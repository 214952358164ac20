//! What this machine can do at most: receive, write to disk, check CRCs, serve.
//!
//! The disk figure is what the device accepts by direct writes, without a flush: its cache, and on
//! a virtual machine the host's, may be part of it. `/proc/diskstats` is the cross-check.
//!
//! Plain blocking calls on purpose: the yardstick must not share code with what it measures.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crc_fast::{CrcAlgorithm, checksum};

use crate::fetch_client::FetchClient;
use crate::machine::{CorePair, HugeBuffers, WARM_UP, pin, thread_cpu, warm_up};
use crate::measurement::{LimitRow, Sample, Series, repeat_for};

/// How to measure.
#[derive(Clone, Debug)]
pub struct LimitsPlan {
    /// Where the disk is probed; a file of [`DISK_FILE_BYTES`] is made and removed.
    pub directory: PathBuf,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Length of one round.
    pub round_time: Duration,
}

/// Bytes of the file that is overwritten again and again.
pub const DISK_FILE_BYTES: u64 = 2 << 30;
/// Writes in flight.
const DISK_DEPTH: usize = 16;
/// Bytes checked at a time: what stays in the second-level cache.
const CRC_PIECE_BYTES: usize = 256 * 1024;
const CHUNK_BYTES: u64 = 1 << 20;

/// The scenarios, ready for interleaved rounds.
#[derive(Debug)]
pub struct Limits {
    cores: CorePair,
    round_time: Duration,
    disk: DiskFile,
    buffers: HugeBuffers,
    /// Receive from a prebuilt sender, on one core.
    pub receive: Series,
    /// Memory to disk.
    pub disk_write: Series,
    /// CRC-32C of memory that was just touched.
    pub crc: Series,
    /// Fetch from the synthetic source and discard.
    pub source: Series,
}

impl Limits {
    /// Prepares file and buffers and warms the cores up.
    ///
    /// # Errors
    /// When the directory takes no direct writes, or memory or cores are missing.
    pub fn prepare(plan: &LimitsPlan) -> Result<Self> {
        let cores = CorePair::choose()?;
        let mut buffers = HugeBuffers::new(DISK_DEPTH)?;
        let disk = DiskFile::create(&plan.directory)?;
        // The first pass allocates blocks; only overwriting is measured.
        write_to_disk(&disk.file, &mut buffers, Pass::WholeFile)?;
        warm_up(WARM_UP)?;
        Ok(Self {
            cores,
            round_time: plan.round_time,
            disk,
            buffers,
            receive: Series::default(),
            disk_write: Series::default(),
            crc: Series::default(),
            source: Series::default(),
        })
    }

    /// One round of every scenario.
    ///
    /// # Errors
    /// When a socket, the disk or `/proc` refuses.
    pub fn round(&mut self) -> Result<()> {
        let (cores, time) = (self.cores, self.round_time);
        self.receive.round(|| receive(cores, time))?;
        let (file, buffers) = (&self.disk.file, &mut self.buffers);
        self.disk_write.round(|| write_to_disk(file, buffers, Pass::For(time)))?;
        self.crc.round(|| check_crcs(cores, time / 4))?;
        self.source.round(|| fetch_and_discard(cores, time))?;
        Ok(())
    }

    /// The rows so far.
    #[must_use]
    pub fn rows(&self) -> Vec<LimitRow> {
        vec![
            self.receive.row("receive_1mib_reads"),
            self.disk_write.row("disk_direct_1mib_depth16_overwrite"),
            self.crc.row("crc32c_256kib_cached"),
            self.source.row("synthetic_source_1mib_fetch_discard"),
        ]
    }
}

/// Measures all limits.
///
/// # Errors
/// When a socket, the disk or `/proc` refuses.
pub fn measure(plan: &LimitsPlan) -> Result<Vec<LimitRow>> {
    let mut limits = Limits::prepare(plan)?;
    for _ in 0..plan.rounds {
        limits.round()?;
    }
    Ok(limits.rows())
}

fn receive(cores: CorePair, time: Duration) -> Result<Sample> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || send_until_closed(cores.sender, &listener));
        let receiver = scope.spawn(move || {
            pin(cores.receiver)?;
            let mut buffers = HugeBuffers::new(1)?;
            let buffer = buffers.chunks_mut().next().context("one buffer was made")?;
            let mut stream = TcpStream::connect(address)?;
            let before = thread_cpu()?;
            let (bytes, elapsed) = repeat_for(time, || Ok(u64::try_from(stream.read(buffer)?)?))?;
            let cpu = thread_cpu()?.saturating_sub(before);
            stream.shutdown(Shutdown::Both)?;
            Ok(Sample { bytes, elapsed, cpu })
        });
        let sample = receiver.join().unwrap_or_else(|_| anyhow::bail!("the receiver panicked"));
        let sent = sender.join().unwrap_or_else(|_| anyhow::bail!("the sender panicked"));
        sent.and(sample)
    })
}

fn send_until_closed(core: usize, listener: &TcpListener) -> Result<()> {
    pin(core)?;
    let mut buffers = HugeBuffers::new(1)?;
    let buffer = buffers.chunks_mut().next().context("one buffer was made")?;
    let (mut stream, _) = listener.accept()?;
    // The receiver ends the round by closing.
    while stream.write_all(buffer).is_ok() {}
    Ok(())
}

#[derive(Clone, Copy)]
enum Pass {
    WholeFile,
    For(Duration),
}

/// Overwrites the file in order with [`DISK_DEPTH`] writes in flight, one thread each.
fn write_to_disk(file: &File, buffers: &mut HugeBuffers, pass: Pass) -> Result<Sample> {
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    let is_over = |chunk: u64| match pass {
        Pass::WholeFile => chunk * CHUNK_BYTES >= DISK_FILE_BYTES,
        Pass::For(time) => begun.elapsed() >= time,
    };
    let (is_over, next) = (&is_over, &next);
    let mut total = Sample { bytes: 0, elapsed: Duration::ZERO, cpu: Duration::ZERO };
    let write = |chunk: &mut [u8]| -> Result<(u64, Duration)> {
        let before = thread_cpu()?;
        let mut bytes = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if is_over(number) {
                return Ok((bytes, thread_cpu()?.saturating_sub(before)));
            }
            file.write_all_at(chunk, number * CHUNK_BYTES % DISK_FILE_BYTES)?;
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

fn check_crcs(cores: CorePair, time: Duration) -> Result<Sample> {
    let measure = move || -> Result<Sample> {
        pin(cores.receiver)?;
        let mut buffers = HugeBuffers::new(1)?;
        let buffer = buffers.chunks_mut().next().context("one buffer was made")?;
        let mut folded = 0;
        let before = thread_cpu()?;
        let (bytes, elapsed) = repeat_for(time, || {
            for piece in buffer.chunks_exact(CRC_PIECE_BYTES) {
                folded ^= checksum(CrcAlgorithm::Crc32Iscsi, piece);
            }
            Ok(CHUNK_BYTES)
        })?;
        std::hint::black_box(folded);
        Ok(Sample { bytes, elapsed, cpu: thread_cpu()?.saturating_sub(before) })
    };
    thread::spawn(measure).join().unwrap_or_else(|_| anyhow::bail!("the checker panicked"))
}

fn fetch_and_discard(cores: CorePair, time: Duration) -> Result<Sample> {
    let spec = FetchClient::source_spec();
    let start = move || {
        pin(cores.sender)?;
        crate::synthetic_source::SyntheticSource::start(&spec)
    };
    let source =
        thread::spawn(start).join().unwrap_or_else(|_| anyhow::bail!("the source panicked"))?;
    let mut client = FetchClient::connect(&source)?;
    let measure = move || -> Result<Sample> {
        pin(cores.receiver)?;
        let mut buffers = HugeBuffers::new(1)?;
        let buffer = buffers.chunks_mut().next().context("one buffer was made")?;
        let before = thread_cpu()?;
        let (bytes, elapsed) = repeat_for(time, || client.fetch(buffer))?;
        Ok(Sample { bytes, elapsed, cpu: thread_cpu()?.saturating_sub(before) })
    };
    let sample =
        thread::spawn(measure).join().unwrap_or_else(|_| anyhow::bail!("the client panicked"));
    source.stop();
    sample
}

/// The probe file; removed when dropped.
#[derive(Debug)]
struct DiskFile {
    file: File,
    path: PathBuf,
}

impl DiskFile {
    fn create(directory: &Path) -> Result<Self> {
        let path = directory.join(format!("perf-disk-probe-{}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).custom_flags(libc::O_DIRECT);
        let file = options
            .open(&path)
            .with_context(|| format!("opening {} for direct writes", path.display()))?;
        Ok(Self { file, path })
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // Nothing else can be done about a file that does not go away.
        let _ = std::fs::remove_file(&self.path);
    }
}
