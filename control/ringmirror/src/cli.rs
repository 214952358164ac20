//! The command line: what can be asked, and what a wrong question is told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mirror_node::client_properties::parse_address;
use mirror_node::source_connection::VERIFIABLE_BATCH_BYTES_MAX;
use mirror_uring::{BrokerAddress, ShardLimits};
use serde::Deserialize;

/// Mirrors Kafka topics byte for byte, offsets intact, at disk speed.
#[derive(Debug, Parser)]
#[command(name = "ringmirror", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON document (mirror, node: one line per event) on standard output; JSON.md
    /// beside the source of this program describes its fields.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

pub(crate) mod bench;
pub(crate) mod mirrors;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mirror a generated source on this machine and verify every byte. Needs no Kafka.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Copy topics of a cluster into a local directory, and keep copying.
    #[command(after_help = MIRROR_EXAMPLES)]
    Mirror(MirrorArgs),
    /// Serve Kafka clients from a local directory, and mirror into it.
    #[command(after_help = NODE_EXAMPLES)]
    Node(NodeArgs),
    /// Make, start, stop, list and describe the mirrors of a node.
    #[command(after_help = mirrors::CLUSTER_MIRRORS_EXAMPLES)]
    ClusterMirrors(Box<mirrors::ClusterMirrorsArgs>),
    /// Say whether it is safe to fail over now, and why not.
    #[command(after_help = mirrors::STATUS_EXAMPLES)]
    Status(mirrors::StatusArgs),
    /// Say what a start or a failback would copy and cut, before it happens.
    #[command(after_help = mirrors::PLAN_EXAMPLES)]
    Plan(mirrors::PlanArgs),
    /// Make mirrored topics writable here, whether their source answers or not.
    #[command(after_help = mirrors::FAILOVER_EXAMPLES)]
    Failover(mirrors::FailoverArgs),
    /// Have the old primary follow the new one, after a failover.
    #[command(after_help = mirrors::FAILBACK_EXAMPLES)]
    Failback(mirrors::FailbackArgs),
    /// Print what makes the mirrors of a MirrorMaker 2 file, and what has no counterpart.
    #[command(after_help = IMPORT_MM2_EXAMPLES)]
    ImportMm2(ImportMm2Args),
    /// Prove that the directory holds what the source holds, byte for byte.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Print and check segments, indexes, snapshots and checkpoints.
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Close the directory and write what a stock Kafka broker needs to start on it.
    #[command(after_help = HANDOVER_EXAMPLES)]
    Handover(HandoverArgs),
    /// Look for what would slow this machine down or stop it, and say what to do.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Measure how fast this machine copies, and name the stage that limits. Needs no Kafka.
    #[command(after_help = bench::BENCH_EXAMPLES)]
    Bench(bench::BenchArgs),
    /// The source that bench starts for itself.
    #[command(hide = true)]
    BenchSource(bench::BenchSourceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How much to mirror: a number with B, KiB, MiB or GiB.
    #[arg(long, default_value = "2GiB", value_parser = parse_bytes)]
    pub(crate) bytes: u64,
    /// Partitions to spread it over.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=4096))]
    pub(crate) partitions: i32,
    /// Size of each record's value.
    #[arg(long, default_value = "1KiB", value_parser = parse_bytes)]
    pub(crate) record_bytes: u64,
    /// Where to mirror to; a temporary directory by default. What is made there is deleted.
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// CPUs of the engine, as in 0,2-3; all by default, or all but one for the source.
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    pub(crate) cores: Option<Cores>,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// A broker of the source, host:port; several separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) bootstrap_server: Vec<String>,
    /// Client configuration in Kafka's .properties format.
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Topics to mirror: a regular expression that matches whole names.
    #[arg(long, value_name = "REGEX")]
    pub(crate) topics: String,
    /// Topics to leave out, although --topics matches them.
    #[arg(long, value_name = "REGEX")]
    pub(crate) exclude: Option<String>,
    /// Where to mirror to; made when it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// CPUs to run on, one shard each, as in 0,2-3; all by default.
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    pub(crate) cores: Option<Cores>,
    /// Stop when every partition has what the source had at the start.
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    /// What to do with a partition whose source lost records we have.
    #[arg(long, value_enum, default_value_t = UncleanElection::Truncate)]
    pub(crate) on_unclean_election: UncleanElection,
    /// Mirror buffered instead of past the page cache.
    #[arg(long)]
    pub(crate) buffered: bool,
    #[command(flatten, next_help_heading = "Tuning")]
    pub(crate) tuning: TuningArgs,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Configuration of the node; what is given here as well counts instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the values the node would run with, and where each came from; start nothing.
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Print a file for --config with every key, its unit, its default and its meaning; start
    /// nothing.
    #[arg(long)]
    pub(crate) example_config: bool,
    /// Its data directory; made when it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where to listen for clients; 127.0.0.1:9092 by default.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_listen)]
    pub(crate) listen: Option<BrokerAddress>,
    /// Where clients are told to connect to; where it listens by default, or this machine's name.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) advertised: Option<BrokerAddress>,
    /// Id of the node; 1 by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) node_id: Option<i32>,
    /// The most memory that mirroring and logs take, as in 1GiB; by default what the buffers of all
    /// cores need, and 100,000 partitions.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) memory_bytes_max: Option<u64>,
    /// A broker of the cluster to mirror from; several separated by commas.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = parse_address,
    )]
    pub(crate) mirror_from: Vec<BrokerAddress>,
    /// Topics to mirror: a regular expression that matches whole names.
    #[arg(long, value_name = "REGEX")]
    pub(crate) topics: Option<String>,
    /// Topics to leave out, although --topics matches them.
    #[arg(long, value_name = "REGEX")]
    pub(crate) exclude: Option<String>,
    /// Client configuration for the source in Kafka's .properties format.
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

/// Sizes that are right without tuning for most; 0 is never right.
#[derive(Clone, Debug, Args)]
pub(crate) struct TuningArgs {
    /// Sync a partition's written bytes at the latest after this time, milliseconds.
    #[arg(
        long,
        value_name = "MS",
        default_value_t = LIMITS.sync_interval_ms,
        value_parser = clap::value_parser!(u64).range(1..),
    )]
    pub(crate) sync_interval_ms: u64,
    /// Sync a partition after this many bytes written, as in 64MiB.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_bytes)]
    pub(crate) sync_bytes: u64,
    /// Connections to each source broker and shard. A broker answers one request at a time on
    /// each.
    #[arg(
        long,
        value_name = "N",
        default_value_t = LIMITS.connections_per_broker,
        value_parser = clap::value_parser!(u32).range(1..=64),
    )]
    pub(crate) connections_per_broker: u32,
    /// Fetch requests in flight on each connection; more than 1 helps on long links when a
    /// connection serves several partitions.
    #[arg(
        long,
        value_name = "N",
        default_value_t = LIMITS.fetches_per_connection,
        value_parser = clap::value_parser!(u32).range(1..=16),
    )]
    pub(crate) fetches_per_connection: u32,
    /// Largest batch taken, up to 128MiB; a larger one stops its partition. To be raised where
    /// the source's max.message.bytes is above it.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = parse_batch_bytes)]
    pub(crate) batch_bytes_max: u32,
    /// Memory of each shard for records on their way; 96MiB by default, more when
    /// --batch-bytes-max is raised.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) slab_bytes: Option<u64>,
}

const LIMITS: ShardLimits = ShardLimits::STANDARD;

/// What to do when the source lost records that we have.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UncleanElection {
    /// Cut our log where the histories part, report it, go on.
    Truncate,
    /// Keep our log and stop that partition.
    Fail,
}

impl UncleanElection {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Truncate => "truncate",
            Self::Fail => "fail",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ImportMm2Args {
    /// The file that connect-mirror-maker.sh is started with.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only directions that end at this cluster, whose place the node takes.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) target: Option<String>,
    /// The node that the printed commands are for; localhost:9092 by default.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap_server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The directory that was mirrored into.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Topics to compare; all that are mirrored from that cluster by default.
    #[arg(long, value_name = "REGEX", default_value = ".*|__.*", hide_default_value = true)]
    pub(crate) topics: String,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Files, partition directories or a whole data directory.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Print every batch and index entry, not only the sums.
    #[arg(long)]
    pub(crate) entries: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HandoverArgs {
    /// The directory that was mirrored into; nothing may be mirroring into it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Id of the broker that will open it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) node_id: i32,
    /// Release of that broker: 3.9 or 4.0 to 4.3.
    #[arg(long, value_name = "VERSION", default_value = "4.0")]
    pub(crate) kafka_version: String,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The directory to mirror into; the current one by default.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data_dir: PathBuf,
}

/// CPUs, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores(pub(crate) Vec<usize>);

/// Reads `0,2-3`.
pub(crate) fn parse_cores(text: &str) -> Result<Cores, String> {
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number =
            |word: &str| word.trim().parse::<usize>().ok().filter(|core| *core < CORES_MAX);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => cores.extend(first..=last),
            _ => return Err(format!("{part:?} is no CPU number and no range as in 2-3")),
        }
    }
    let mut sorted = cores.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("CPU {} is named twice", pair[0])),
        None => Ok(Cores(cores)),
    }
}

/// Reads an address to listen at, whose port may be 0.
pub(crate) fn parse_listen(text: &str) -> Result<BrokerAddress, String> {
    let any_port = text.trim().strip_suffix(":0").map(|host| format!("{host}:1"));
    let address = parse_address(any_port.as_deref().unwrap_or(text));
    let address = address.map_err(|_| {
        format!("{text:?} is not an address to listen at; expected host:port, as in 0.0.0.0:9092")
    })?;
    Ok(if any_port.is_some() { BrokerAddress { port: 0, ..address } } else { address })
}

/// Reads `64MiB`, `1GB`, `4096`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(format!("{unit:?} is no unit; use B, KiB, MiB, GiB or TiB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no number of bytes"))?;
    match number.checked_mul(factor) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(format!("{text:?} is not between 1 byte and 16 EiB")),
    }
}

/// Reads the size of a batch.
fn parse_batch_bytes(text: &str) -> Result<u32, String> {
    let bytes = parse_bytes(text)?;
    let fitting = u32::try_from(bytes).ok().filter(|bytes| *bytes <= VERIFIABLE_BATCH_BYTES_MAX);
    let limit = indicatif::BinaryBytes(VERIFIABLE_BATCH_BYTES_MAX.into());
    fitting.ok_or_else(|| format!("{text:?} is above {limit}, the most that can be verified"))
}

const CORES_MAX: usize = 4096;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, nothing wrong
  1  failed, the check found a difference, or a log could not be closed
  2  the command line or a configuration file is wrong
  3  the source, or the node asked, cannot be reached or is not what it should be
  4  the data directory cannot be used
  5  interrupted before it was done

Logs go to standard error; RINGMIRROR_LOG=debug shows more (tracing filter syntax).";

const DEMO_EXAMPLES: &str = "\
Examples:
  ringmirror demo
  ringmirror demo --bytes 8GiB --partitions 32 --record-bytes 100B --json";

const MIRROR_EXAMPLES: &str = "\
Examples:
  ringmirror mirror --bootstrap-server kafka-1:9092 --topics 'orders|payments-.*' \\
      --data-dir /var/lib/ringmirror
  ringmirror mirror --bootstrap-server kafka-1:9092 --topics '.*' --exclude 'tmp-.*' \\
      --data-dir /var/lib/ringmirror --until-caught-up

Stops cleanly on SIGINT and SIGTERM and goes on where it was at the next start.
Internal topics (__...) are mirrored only when --topics names them, as in '.*|__consumer_offsets'.";

const NODE_EXAMPLES: &str = "\
Examples:
  ringmirror node --data-dir /var/lib/ringmirror --listen 0.0.0.0:9092 \\
      --mirror-from kafka-1:9092 --topics 'orders|payments-.*'
  ringmirror node --config node.toml
  ringmirror node --config node.toml --check-config
  ringmirror node --example-config > node.toml

A file that says the same, and a little more:
  data_dir = \"/var/lib/ringmirror\"
  listen = \"0.0.0.0:9092\"
  advertised = \"mirror-1.example.org:9092\"
  [mirror]
  bootstrap_servers = [\"kafka-1:9092\"]
  topics = \"orders|payments-.*\"
--example-config prints all keys and what they mean. Without a section [mirror] nothing is mirrored.

Serves what it has whether the source answers or not. Stops cleanly on SIGINT and SIGTERM.";

const IMPORT_MM2_EXAMPLES: &str = "\
Examples:
  ringmirror import-mm2 connect-mirror-maker.properties --target backup > mirrors.sh
  ringmirror import-mm2 connect-mirror-maker.properties --json

Prints a shell script and changes nothing: read it, set NODE in it, run it. Ends with 1 when a
direction that is switched on cannot be taken over; the script says why.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  ringmirror verify --bootstrap-server kafka-1:9092 --data-dir /var/lib/ringmirror
  ringmirror verify --bootstrap-server kafka-1:9092 --data-dir /var/lib/ringmirror \\
      --topics orders --json";

const INSPECT_EXAMPLES: &str = "\
Examples:
  ringmirror inspect /var/lib/ringmirror
  ringmirror inspect --entries /var/lib/ringmirror/orders-0/00000000000000000000.index";

const HANDOVER_EXAMPLES: &str = "\
Examples:
  ringmirror handover --data-dir /var/lib/ringmirror --node-id 1 > server.properties
  ringmirror handover --data-dir /var/lib/ringmirror --node-id 1 --kafka-version 3.9";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  ringmirror doctor --data-dir /var/lib/ringmirror";

#[cfg(test)]
mod tests;
