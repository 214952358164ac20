//! Commands that measure `ringmirror node`: what it serves, how soon, and at what price.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum as _, value_parser};
use harness::kafka_jars;
use perf::consume::{self, ConsumePlan};
use perf::consume_row::ConsumeRow;
use perf::groups::{self, GroupsPlan};
use perf::latency::{self, LatencyPlan};
use perf::latency_row::LatencyRow;
use perf::lifecycle::{self, LifecyclePlan, Phase};
use perf::log_fetcher::Discard;
use perf::measurement::TRIES_MAX;
use perf::peers::record::Sitting;
use perf::private_network;
use perf::readers::{self, ReadersPlan};
use perf::server_process::{ServerKind, ringmirror_program};
use perf::stock_broker::RELEASE;
use serde::Serialize;

/// What every measurement of a server has.
#[derive(Args)]
pub(crate) struct ServingArgs {
    /// Print what was measured, when and where as JSON.
    #[arg(long)]
    json: bool,
    /// The ringmirror to measure; the one beside this program by default.
    #[arg(long)]
    ringmirror: Option<PathBuf>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    #[arg(long, default_value_t = TRIES_MAX)]
    pub(crate) tries: u32,
    /// Directory on the disk to write to; what is written is removed.
    #[arg(long, default_value = "target/tmp")]
    pub(crate) directory: PathBuf,
    /// Use the machine's loopback with the congestion control it has, instead of one of our own
    /// with cubic.
    #[arg(long)]
    pub(crate) system_network: bool,
}

#[derive(Args)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    serving: ServingArgs,
    /// Only these scenarios, like 1MiB-4conn or java; all by default.
    #[arg(long = "scenario", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Which servers to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["node", "stock"])]
    servers: Vec<ServerKind>,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds before them that do not count.
    #[arg(long, default_value_t = 3)]
    warm_up_rounds: u32,
    /// Partitions to read.
    #[arg(long, default_value_t = 8)]
    partitions: u32,
    /// Bytes of each partition.
    #[arg(long, default_value_t = 512 << 20, value_parser = value_parser!(u64).range(1..))]
    partition_bytes: u64,
    /// Let the kernel throw the records away, so that receiving costs next to nothing.
    #[arg(long)]
    discard_in_kernel: bool,
}

#[derive(Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    serving: ServingArgs,
    /// Which servers to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["node", "stock"])]
    servers: Vec<ServerKind>,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds before them that do not count.
    #[arg(long, default_value_t = 3)]
    warm_up_rounds: u32,
    /// Length of one round in milliseconds.
    #[arg(long, default_value_t = 15_000, value_parser = value_parser!(u64).range(1..))]
    round_ms: u64,
    /// Records per second.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Bytes of each record's value.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
}

#[derive(Args)]
pub(crate) struct ReadersArgs {
    #[command(flatten)]
    serving: ServingArgs,
    /// Rounds, each with and without readers.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Bytes mirrored in one run.
    #[arg(long, default_value_t = 4 << 30, value_parser = value_parser!(u64).range(1..))]
    bytes: u64,
    /// Consumers, each with a partition of its own.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    readers: u32,
    /// Let the readers receive the records like any consumer, at a price that mirroring pays on a
    /// machine with few cores; by default the kernel throws them away, as if the readers were on
    /// other machines.
    #[arg(long)]
    receive: bool,
}

/// What a measurement prints as JSON.
#[derive(Serialize)]
struct Measured<'a, T> {
    sitting: Sitting,
    measured: &'a T,
}

/// What measurements of one node have in common.
#[derive(Args)]
struct NodeArgs {
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// The ringmirror to measure; the one beside this program by default.
    #[arg(long)]
    ringmirror: Option<PathBuf>,
    /// Directory on the disk to write to; what is written is removed.
    #[arg(long, default_value = "target/tmp")]
    directory: PathBuf,
}

#[derive(Args)]
pub(crate) struct LifecycleArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Partitions mirrored, in topics of a hundred.
    #[arg(
        long,
        default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(2..=100_000),
    )]
    partitions: u32,
    /// What to measure after the first start; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
}

#[derive(Args)]
pub(crate) struct GroupsArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Consumer groups at the source.
    #[arg(long, default_value_t = 10_000)]
    groups: u32,
    /// Partitions that each has offsets of.
    #[arg(long, default_value_t = 20)]
    partitions: i32,
}

impl ServingArgs {
    /// Gets ready to measure; tells with which program.
    pub(crate) fn prepare(&self) -> Result<PathBuf> {
        let program = ringmirror_program(self.ringmirror.as_deref())?;
        if !self.system_network {
            // There is no way out of a network of our own.
            kafka_jars::fetch(RELEASE)?;
            private_network::enter()?;
        }
        eprintln!("measuring {}", program.display());
        Ok(program)
    }

    /// For people, or for machines with when, where and by which command it was measured.
    pub(crate) fn print<T: Serialize>(&self, measured: &T, text: &str) -> Result<()> {
        if !self.json {
            return print(false, measured, text);
        }
        let ringmirror = ringmirror_program(self.ringmirror.as_deref())?;
        let sitting = Sitting::now(&ringmirror, &self.directory)?;
        print(true, &Measured { sitting, measured }, text)
    }
}

pub(crate) fn print<T: Serialize>(json: bool, rows: &T, text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, rows)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

pub(crate) fn consume(args: &ConsumeArgs) -> Result<()> {
    let known: Vec<&str> = consume::SCENARIOS.iter().map(|scenario| scenario.name).collect();
    for name in &args.scenarios {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {known:?}");
    }
    let rows = consume::measure(
        &ConsumePlan {
            directory: args.serving.directory.clone(),
            ringmirror: args.serving.prepare()?,
            servers: args.servers.clone(),
            rounds: args.rounds,
            warm_up_rounds: args.warm_up_rounds,
            partitions: args.partitions,
            partition_bytes: args.partition_bytes,
            scenarios: args.scenarios.clone(),
            tries_max: args.serving.tries,
            discard: discard(args.discard_in_kernel),
        },
        |line| eprintln!("{line}"),
    )?;
    let lines: Vec<String> = rows.iter().map(ConsumeRow::text).collect();
    args.serving.print(&rows, &format!("{}\n{}", ConsumeRow::head(), lines.join("\n")))?;
    for row in rows.iter().flat_map(ConsumeRow::servers) {
        warn_of_disturbed(&row.scenario, row.disturbed_rounds_kept);
    }
    Ok(())
}

pub(crate) fn latency(args: &LatencyArgs) -> Result<()> {
    let rows = latency::measure(
        &LatencyPlan {
            directory: args.serving.directory.clone(),
            ringmirror: args.serving.prepare()?,
            servers: args.servers.clone(),
            rounds: args.rounds,
            warm_up_rounds: args.warm_up_rounds,
            round_time: Duration::from_millis(args.round_ms),
            records_per_second: args.rate,
            record_bytes: args.record_bytes,
            tries_max: args.serving.tries,
        },
        |line| eprintln!("{line}"),
    )?;
    let lines: Vec<String> = rows.iter().map(LatencyRow::text).collect();
    args.serving.print(&rows, &format!("{}\n{}", LatencyRow::head(), lines.join("\n")))?;
    for row in &rows {
        for (kind, figures) in row.servers() {
            let name = format!("{} {}", row.scenario, kind.name());
            warn_of_disturbed(&name, figures.disturbed_rounds_kept);
        }
    }
    Ok(())
}

pub(crate) fn readers(args: &ReadersArgs) -> Result<()> {
    let row = readers::measure(
        &ReadersPlan {
            directory: args.serving.directory.clone(),
            ringmirror: args.serving.prepare()?,
            rounds: args.rounds,
            bytes: args.bytes,
            readers: args.readers,
            discard: discard(!args.receive),
            tries_max: args.serving.tries,
        },
        |line| eprintln!("{line}"),
    )?;
    args.serving.print(&row, &row.text())?;
    for row in [&row.without, &row.with] {
        warn_of_disturbed(&row.scenario, row.disturbed_rounds_kept);
    }
    Ok(())
}

pub(crate) fn lifecycle(args: &LifecycleArgs) -> Result<()> {
    let phases = match args.phases.is_empty() {
        true => Phase::value_variants().to_vec(),
        false => args.phases.clone(),
    };
    let plan = LifecyclePlan {
        directory: args.node.directory.clone(),
        ringmirror: ringmirror_program(args.node.ringmirror.as_deref())?,
        partitions: args.partitions,
        phases,
    };
    let row = lifecycle::measure(&plan, |line| eprintln!("{line}"))?;
    print(args.node.json, &row, &row.text())
}

pub(crate) fn groups(args: &GroupsArgs) -> Result<()> {
    let plan = GroupsPlan {
        directory: args.node.directory.clone(),
        ringmirror: ringmirror_program(args.node.ringmirror.as_deref())?,
        groups: args.groups,
        partitions: args.partitions,
    };
    let row = groups::measure(&plan, |line| eprintln!("{line}"))?;
    print(args.node.json, &row, &row.text())
}

const fn discard(in_kernel: bool) -> Discard {
    if in_kernel { Discard::InKernel } else { Discard::Received }
}

pub(crate) fn warn_of_disturbed(name: &str, kept: u32) {
    if kept > 0 {
        eprintln!("{name}: {kept} rounds were disturbed; run again");
    }
}
