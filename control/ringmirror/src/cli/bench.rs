//! The options of `ringmirror bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parse_bytes;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What becomes of the batches; several separated by commas.
    #[arg(long, value_name = "SINK", value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) sink: Vec<SinkChoice>,
    /// A directory on the disk to measure; a directory is made in it, and deleted at the end.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data_dir: PathBuf,
    /// The same for the sink memory, in a file system that is memory.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    pub(crate) memory_dir: PathBuf,
    /// Partitions of the generated source.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=4096),
    )]
    pub(crate) partitions: u32,
    /// Size of each record's value.
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = parse_record_bytes)]
    pub(crate) record_bytes: u32,
    /// Size of a batch before compression, about.
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = parse_record_bytes)]
    pub(crate) batch_bytes: u32,
    /// How the source's batches are compressed. Rates are of bytes as they are copied.
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub(crate) compression: Compression,
    /// Bytes asked for in a response.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_response_bytes)]
    pub(crate) response_bytes: u32,
    /// Connections to the source; no more than there are partitions.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=32),
    )]
    pub(crate) connections: u32,
    /// Rounds in which everything is measured in turn.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=100),
    )]
    pub(crate) rounds: u32,
    /// How long each sink copies in a round, seconds.
    #[arg(long, value_name = "S", default_value = "1", value_parser = parse_seconds)]
    pub(crate) seconds: f64,
    /// The most that a sink copies in a round; it takes that much room, and a quarter more.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = parse_copied_bytes)]
    pub(crate) bytes: u64,
}

/// What becomes of the batches, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SinkChoice {
    /// Written as `mirror` writes them, past the page cache.
    Disk,
    /// Written by the same engine into memory.
    Memory,
    /// Checked and thrown away by a plain reader, without the engine.
    Discard,
    /// All of these in turn.
    All,
}

/// Compression of the source's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// None.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// The source of a measurement: this program again, in a process of its own.
#[derive(Debug, Args)]
pub(crate) struct BenchSourceArgs {
    #[arg(long)]
    pub(crate) core: usize,
    #[arg(long)]
    pub(crate) partitions: i32,
    #[arg(long)]
    pub(crate) partition_bytes: u64,
    #[arg(long)]
    pub(crate) record_bytes: usize,
    #[arg(long)]
    pub(crate) batch_bytes: usize,
    #[arg(long, value_enum)]
    pub(crate) compression: Compression,
    /// Directories of the parent's, deleted when it ended without doing so.
    #[arg(long)]
    pub(crate) delete: Vec<PathBuf>,
}

fn parse_record_bytes(text: &str) -> Result<u32, String> {
    within(text, 1, BATCH_BYTES_MAX)
}

fn parse_response_bytes(text: &str) -> Result<u32, String> {
    within(text, 4 << 10, RESPONSE_BYTES_MAX)
}

fn parse_copied_bytes(text: &str) -> Result<u64, String> {
    within(text, COPIED_BYTES_MIN, COPIED_BYTES_MAX)
}

fn within<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let bytes = parse_bytes(text)?;
    let fitting = T::try_from(bytes).ok().filter(|_| (least..=most).contains(&bytes));
    let (least, most) = (indicatif::BinaryBytes(least), indicatif::BinaryBytes(most));
    fitting.ok_or_else(|| format!("{text:?} is not between {least} and {most}"))
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("{text:?} is no number between 0.05 and 60")),
    }
}

/// What the engine takes without being told otherwise.
const BATCH_BYTES_MAX: u64 = 8 << 20;
const RESPONSE_BYTES_MAX: u64 = 64 << 20;
const COPIED_BYTES_MIN: u64 = 16 << 20;
const COPIED_BYTES_MAX: u64 = 1 << 40;

pub(crate) const BENCH_EXAMPLES: &str = "\
Examples:
  ringmirror bench --data-dir /var/lib/ringmirror
  ringmirror bench --sink disk --partitions 1 --connections 1 --json
  ringmirror bench --compression zstd --record-bytes 100B --response-bytes 64KiB

Needs no Kafka: the source is this program again, in a process of its own on another core. One shard
of the engine is measured, on one core; mirror and node run one on every core. What the figures are
held against is measured in the same rounds: receiving from that source and throwing away, direct
writes to a new file, appends to memory, and CRCs.

The stage that limits is the disk (or memory), the engine's core or the source's, whichever is used
most, if that is at least 90 % of what it can do; receiving, if none of these is and its rate is;
what is written to, if at least a tenth of the responses waited for it; and else none.";
