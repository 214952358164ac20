//! `perf delayed`: mirroring across a link with delay and loss.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum, value_parser};
use perf::delayed::{self, DelayedPlan, SCENARIOS};
use perf::delayed_peers;
use perf::delayed_peers_row::DelayedPeersRow;
use perf::delayed_row::{DelayedRow, LinkRow};

use crate::serving::{ServingArgs, warn_of_disturbed};

/// What is at the far end.
#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// The synthetic source: what a node can do.
    Synthetic,
    /// A stock broker: a node beside Kafka's own follower.
    Broker,
}

#[derive(Args)]
pub(crate) struct DelayedArgs {
    #[command(flatten)]
    serving: ServingArgs,
    /// What is at the far end.
    #[arg(long, value_enum, default_value = "synthetic")]
    source: Source,
    /// Only these scenarios, like delay-80ms-1part; all by default.
    #[arg(long = "scenario", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Longest time of one run in milliseconds.
    #[arg(long, default_value_t = 8_000, value_parser = value_parser!(u64).range(1..))]
    run_ms: u64,
    /// Largest packet of the link.
    #[arg(long, default_value_t = 9_000)]
    mtu: u16,
    /// The most that a socket's buffers grow to, at both ends of the link.
    #[arg(long, default_value_t = 64 << 20)]
    socket_bytes: u32,
    /// `fetch.max.bytes` and `max.partition.fetch.bytes` of the node that asks for large
    /// responses, and what the follower that does asks for.
    #[arg(long, default_value_t = 48 << 20)]
    response_bytes: u32,
}

pub(crate) fn delayed(args: &DelayedArgs) -> Result<()> {
    let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    for name in &args.scenarios {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {known:?}");
    }
    ensure!(!args.serving.system_network, "a long link takes a network of our own");
    let plan = DelayedPlan {
        directory: args.serving.directory.clone(),
        ringmirror: args.serving.prepare()?,
        rounds: args.rounds,
        scenarios: args.scenarios.clone(),
        run_time: Duration::from_millis(args.run_ms),
        mtu: args.mtu,
        socket_bytes_max: args.socket_bytes,
        response_bytes: args.response_bytes,
        tries_max: args.serving.tries,
    };
    match args.source {
        Source::Synthetic => from_synthetic(&plan, &args.serving),
        Source::Broker => from_broker(&plan, &args.serving),
    }
}

fn from_synthetic(plan: &DelayedPlan, serving: &ServingArgs) -> Result<()> {
    let rows = delayed::measure(plan, |line| eprintln!("{line}"))?;
    let lines: Vec<String> = rows.iter().map(DelayedRow::text).collect();
    let links = rows.iter().map(|row| &row.link);
    serving.print(&rows, &table(DelayedRow::head(), lines, links))?;
    for row in &rows {
        for series in [&row.receive, &row.standard, &row.large] {
            let name = format!("{} {}", row.link.scenario, series.scenario);
            warn_of_disturbed(&name, series.disturbed_rounds_kept);
        }
    }
    Ok(())
}

fn from_broker(plan: &DelayedPlan, serving: &ServingArgs) -> Result<()> {
    let rows = delayed_peers::measure(plan, |line| eprintln!("{line}"))?;
    let lines: Vec<String> = rows.iter().map(DelayedPeersRow::text).collect();
    let links = rows.iter().map(|row| &row.link);
    serving.print(&rows, &table(DelayedPeersRow::head(), lines, links))?;
    for row in &rows {
        for copier in &row.copiers {
            let name = format!("{} {}", row.link.scenario, copier.rates.scenario);
            warn_of_disturbed(&name, copier.rates.disturbed_rounds_kept);
        }
    }
    Ok(())
}

/// For people: rows below their heads, then what nodes took of memory on each link.
fn table<'a>(head: String, rows: Vec<String>, links: impl Iterator<Item = &'a LinkRow>) -> String {
    [vec![head], rows, links.map(LinkRow::memory_text).collect()].concat().join("\n")
}
