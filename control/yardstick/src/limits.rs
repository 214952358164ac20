//! What this machine can do at most: receive, write to disk, check CRCs, serve.
//!
//! The disk figure is what the device accepts by direct writes, without a flush: its cache, and on
//! a virtual machine the host's, may be part of it. `/proc/diskstats` is the cross-check.
//!
//! Plain blocking calls on purpose: the yardstick must not share code with what it measures.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use crc_fast::{CrcAlgorithm, checksum};
use kafka_wire::partition::TopicName;
use synthetic_source::SyntheticSource;
use synthetic_source::spec::{LogSize, SyntheticSpec, TopicSpec};
use synthetic_source::unpaced::send_unpaced;

use crate::disk_probe::DiskProbe;
use crate::fetch_client::{DiscardPlan, discard};
use crate::machine::{CorePair, HugeBuffers, WARM_UP, pin, thread_cpu, warm_up};
use crate::measurement::{LimitRow, Sample, Series, repeat_for};
use crate::source_child::{SourceDescription, TOPIC};

/// How to measure.
#[derive(Clone, Debug)]
pub struct LimitsPlan {
    /// Where the disk is probed; files are made and removed.
    pub directory: PathBuf,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Length of one round.
    pub round_time: Duration,
}

/// Bytes checked at a time: what stays in the second-level cache.
const CRC_PIECE_BYTES: usize = 256 * 1024;
const CHUNK_BYTES: u64 = 1 << 20;

/// The scenarios, ready for interleaved rounds.
#[derive(Debug)]
pub struct Limits {
    cores: CorePair,
    round_time: Duration,
    disk: DiskProbe,
    /// Receive from a prebuilt sender, on one core.
    pub receive: Series,
    /// Memory to blocks that were written before.
    pub disk_write: Series,
    /// Memory to a new file with reserved space.
    pub disk_fill: Series,
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
        let disk = DiskProbe::new(&plan.directory)?;
        warm_up(WARM_UP)?;
        Ok(Self {
            cores,
            round_time: plan.round_time,
            disk,
            receive: Series::default(),
            disk_write: Series::default(),
            disk_fill: Series::default(),
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
        self.disk_write.round(|| self.disk.overwrite(time))?;
        self.disk_fill.round(|| self.disk.fill_reserved(time))?;
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
            self.disk_fill.row("disk_direct_1mib_depth16_new_file"),
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

/// Receives what a sender with a prebuilt buffer sends, on one connection.
///
/// # Errors
/// When a socket or `/proc` refuses.
pub fn receive(cores: CorePair, time: Duration) -> Result<Sample> {
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
    send_unpaced(&stream);
    // The receiver ends the round by closing.
    while stream.write_all(buffer).is_ok() {}
    Ok(())
}

/// Checks CRCs of memory that fits the second-level cache.
///
/// # Errors
/// When `/proc` refuses.
pub fn check_crcs(cores: CorePair, time: Duration) -> Result<Sample> {
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
    let name = TopicName::parse(TOPIC).context("a legal name")?;
    let topic = TopicSpec::new(name, 1, LogSize::Bytes(1 << 30));
    let spec = SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() };
    let start = move || {
        pin(cores.sender)?;
        SyntheticSource::start(&spec)
    };
    let source =
        thread::spawn(start).join().unwrap_or_else(|_| anyhow::bail!("the source panicked"))?;
    let plan = DiscardPlan {
        source: &SourceDescription::of(&source)?,
        core: cores.receiver,
        connections: 1,
        requests_in_flight: 2,
        response_bytes: 1 << 20,
        time,
    };
    let sample = discard(&plan);
    source.stop();
    sample
}
