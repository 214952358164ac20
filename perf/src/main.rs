//! Command line of the macro benchmarks: data on stdout, messages on stderr.

mod comparing;
mod delayed_command;
mod peers_command;
mod serving;
mod steady_command;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, value_parser};
use kafka_wire::partition::TopicName;
use perf::idle;
use perf::limits::{LimitsPlan, measure};
use perf::link_process;
use perf::machine::pin;
use perf::measurement::{LimitRow, TRIES_MAX};
use perf::mirror::{self, MirrorPlan, SCENARIOS};
use perf::mirror_row::MirrorRow;
use perf::source_child::SourceDescription;
use perf::synthetic_source::SyntheticSource;
use perf::synthetic_source::spec::{BatchContent, Codec, LogSize, SyntheticSpec, TopicSpec};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "perf", about = "Macro benchmarks of ringmirror", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What this machine can do at most: receive, write to disk, check CRCs, serve.
    Limits(LimitsArgs),
    /// What the engine makes of it, against a source in a child process.
    Mirror(MirrorArgs),
    /// Bulk reads from `ringmirror node` and a stock Kafka broker over the same logs.
    Consume(serving::ConsumeArgs),
    /// From producing to consuming at a fixed rate, on `ringmirror node` and a stock broker.
    Latency(serving::LatencyArgs),
    /// From a record being due at the source to it being readable at the mirror, against Kafka's
    /// own follower.
    Steady(steady_command::SteadyArgs),
    /// What readers that follow the tail take from mirroring.
    Readers(serving::ReadersArgs),
    /// What very many mirrored partitions cost a node: start, rest, stop, a source that goes away.
    Lifecycle(serving::LifecycleArgs),
    /// What the committed offsets of very many consumer groups cost a node.
    Groups(serving::GroupsArgs),
    /// Two builds of ringmirror on the same work, in turns.
    Compare(comparing::CompareArgs),
    /// ringmirror, its peers and the machine's limits on the same work, in the same rounds.
    Peers(peers_command::PeersArgs),
    /// The tables of what `peers` measured, again, of one sitting or several.
    PeersReport(peers_command::PeersReportArgs),
    /// Mirroring across a link with delay and loss.
    Delayed(delayed_command::DelayedArgs),
    /// A second network namespace and a long link to it; for other commands.
    #[command(hide = true)]
    Link(LinkArgs),
    /// Serve generated topics until killed; prints the bootstrap address.
    Source(SourceArgs),
}

#[derive(Args)]
struct LimitsArgs {
    /// Print rows as JSON.
    #[arg(long)]
    json: bool,
    /// Directory on the disk to probe; needs 2 GiB for a moment.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of one round in milliseconds.
    #[arg(long, default_value_t = 1500, value_parser = value_parser!(u64).range(1..))]
    round_ms: u64,
}

#[derive(Args)]
struct MirrorArgs {
    /// Print rows as JSON.
    #[arg(long)]
    json: bool,
    /// Only these scenarios, like 1MiB-8conn or idle-50000; all by default.
    #[arg(long = "scenario", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Bytes mirrored in one engine run.
    #[arg(long, default_value_t = 4 << 30, value_parser = value_parser!(u64).range(1..))]
    bytes: u64,
    /// Fetch sessions on each connection, each with a request in flight and a partition; 4 on
    /// one connection and 1 on each of several by default.
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    fetches: Option<u32>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    #[arg(long, default_value_t = TRIES_MAX, value_parser = value_parser!(u32).range(1..))]
    tries: u32,
    /// Leave the twin with buffered appends out.
    #[arg(long)]
    skip_buffered: bool,
    /// Begin with log files written before, as retention leaves them: what a mirror that has run
    /// for a while works with.
    #[arg(long)]
    reuse_files: bool,
    /// Directory on the disk to write to; what is written is removed.
    #[arg(long, default_value = "target/tmp")]
    directory: PathBuf,
}

#[derive(Args)]
struct LinkArgs {
    /// Largest packet.
    #[arg(long)]
    mtu: u16,
}

#[derive(Args)]
struct SourceArgs {
    /// Where the first broker listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Brokers, on consecutive ports.
    #[arg(long, default_value_t = 1)]
    brokers: i32,
    /// Topic names.
    #[arg(long, default_value = "synthetic", value_delimiter = ',')]
    topics: Vec<String>,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Bytes of each partition.
    #[arg(long, default_value_t = 1 << 30, value_parser = value_parser!(u64).range(1..))]
    partition_bytes: u64,
    /// Bytes of each record's value.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Bytes of records in a batch.
    #[arg(long, default_value_t = 64 * 1024)]
    batch_bytes: usize,
    /// Bytes of prebuilt batches that are repeated.
    #[arg(long, default_value_t = 8 << 20)]
    cycle_bytes: usize,
    /// Mix LZ4 batches in.
    #[arg(long)]
    lz4: bool,
    /// Pin all threads to this core.
    #[arg(long)]
    core: Option<usize>,
    /// Print one line of JSON that tells every partition, instead of the address.
    #[arg(long)]
    describe: bool,
    /// Stop when standard input ends, so that a parent takes the source along.
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Limits(args) => limits(&args),
        Command::Mirror(args) => mirror(&args),
        Command::Consume(args) => serving::consume(&args),
        Command::Latency(args) => serving::latency(&args),
        Command::Steady(args) => steady_command::steady(&args),
        Command::Readers(args) => serving::readers(&args),
        Command::Lifecycle(args) => serving::lifecycle(&args),
        Command::Groups(args) => serving::groups(&args),
        Command::Compare(args) => comparing::compare(&args),
        Command::Peers(args) => peers_command::peers(&args),
        Command::PeersReport(args) => peers_command::peers_report(&args),
        Command::Delayed(args) => delayed_command::delayed(&args),
        Command::Link(args) => link_process::serve(args.mtu),
        Command::Source(args) => source(&args),
    }
}

fn limits(args: &LimitsArgs) -> Result<()> {
    let plan = LimitsPlan {
        directory: args.directory.clone(),
        rounds: args.rounds,
        round_time: Duration::from_millis(args.round_ms),
    };
    let rows = measure(&plan)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{:<38} {:>9} {:>9} {:>9} {:>9}", "limit", "MB/s", "min", "max", "CPU s/GB")?;
    for row in &rows {
        let LimitRow { scenario, mb_per_s, mb_per_s_min, mb_per_s_max, .. } = row;
        let cpu = row.cpu_seconds_per_gb;
        let rates = format!("{mb_per_s:>9.0} {mb_per_s_min:>9.0} {mb_per_s_max:>9.0}");
        writeln!(out, "{scenario:<38} {rates} {cpu:>9.4}")?;
        if row.disturbed_rounds_kept > 0 {
            let kept = row.disturbed_rounds_kept;
            eprintln!("{scenario}: {kept} of {} rounds were disturbed; run again", row.rounds);
        }
    }
    Ok(())
}

fn mirror(args: &MirrorArgs) -> Result<()> {
    check_names(&args.scenarios)?;
    let plan = MirrorPlan {
        directory: args.directory.clone(),
        rounds: args.rounds,
        bytes: args.bytes,
        fetches_per_connection: args.fetches,
        scenarios: args.scenarios.clone(),
        tries_max: args.tries,
        skip_buffered: args.skip_buffered,
        reuse_files: args.reuse_files,
    };
    let is_asked =
        |name: &str| args.scenarios.is_empty() || args.scenarios.iter().any(|s| s == name);
    let rows = mirror::measure(&plan, |line| eprintln!("{line}"))?;
    let idle = idle::SCENARIOS.into_iter().filter(|scenario| is_asked(scenario.name));
    let idle = idle.map(|scenario| {
        let (directory, tell) = (args.directory.clone(), |line: &str| eprintln!("{line}"));
        idle::measure(scenario, directory, args.rounds, args.tries, tell)
    });
    let idle = idle.collect::<Result<Vec<_>>>()?;
    let mut out = io::stdout().lock();
    if args.json {
        let rows = rows.iter().map(serde_json::to_value);
        let idle = idle.iter().map(serde_json::to_value);
        let rows = rows.chain(idle).collect::<serde_json::Result<Vec<_>>>()?;
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    if !rows.is_empty() {
        writeln!(out, "{}", MirrorRow::head())?;
    }
    for row in &rows {
        writeln!(out, "{}", row.text())?;
        if row.disturbed_rounds_kept > 0 {
            let (name, kept) = (&row.scenario, row.disturbed_rounds_kept);
            eprintln!("{name}: {kept} of {} rounds were disturbed; run again", row.rounds);
        }
    }
    for idle in &idle {
        writeln!(out, "{}", idle.text())?;
        serving::warn_of_disturbed(&idle.scenario, idle.disturbed_rounds_kept);
    }
    Ok(())
}

fn check_names(asked: &[String]) -> Result<()> {
    let known = SCENARIOS.iter().map(|scenario| scenario.name);
    let known: Vec<&str> =
        known.chain(idle::SCENARIOS.iter().map(|scenario| scenario.name)).collect();
    for name in asked {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {known:?}");
    }
    Ok(())
}

fn source(args: &SourceArgs) -> Result<()> {
    if let Some(core) = args.core {
        pin(core)?;
    }
    let source = SyntheticSource::start(&spec(args)?)?;
    let mut out = io::stdout().lock();
    if args.describe {
        serde_json::to_writer(&mut out, &SourceDescription::of(&source)?)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", source.bootstrap())?;
    }
    out.flush()?;
    if args.until_stdin_closes {
        io::stdin().read_to_end(&mut Vec::new())?;
        source.stop();
        return Ok(());
    }
    loop {
        thread::park();
    }
}

fn spec(args: &SourceArgs) -> Result<SyntheticSpec> {
    let codecs = if args.lz4 { vec![Codec::None, Codec::Lz4] } else { vec![Codec::None] };
    let content = BatchContent {
        record_bytes: args.record_bytes,
        batch_bytes: args.batch_bytes,
        cycle_bytes: args.cycle_bytes,
        codecs,
        ..BatchContent::default()
    };
    let topic = |name: &String| {
        let name = TopicName::parse(name).with_context(|| format!("illegal topic name {name}"))?;
        let size = LogSize::Bytes(args.partition_bytes);
        Ok(TopicSpec { content: content.clone(), ..TopicSpec::new(name, args.partitions, size) })
    };
    Ok(SyntheticSpec {
        broker_count: args.brokers,
        listen: args.listen,
        topics: args.topics.iter().map(topic).collect::<Result<Vec<_>>>()?,
        ..SyntheticSpec::default()
    })
}
