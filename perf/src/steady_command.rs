//! `perf steady`: how soon a record of the source is readable at the mirror.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, value_parser};
use perf::steady::{self, SteadyPlan};

use crate::serving::{ServingArgs, warn_of_disturbed};

#[derive(Args)]
pub(crate) struct SteadyArgs {
    #[command(flatten)]
    serving: ServingArgs,
    /// Rounds of every reader, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds before them that do not count.
    #[arg(long, default_value_t = 2)]
    warm_up_rounds: u32,
    /// Length of one round in milliseconds.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    round_ms: u64,
    /// Records per second; by default half of the highest rate that node and follower both
    /// sustain, which is searched for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Bytes of each record's value.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
}

pub(crate) fn steady(args: &SteadyArgs) -> Result<()> {
    let row = steady::measure(
        &SteadyPlan {
            directory: args.serving.directory.clone(),
            ringmirror: args.serving.prepare()?,
            rounds: args.rounds,
            warm_up_rounds: args.warm_up_rounds,
            round_time: Duration::from_millis(args.round_ms),
            records_per_second: args.rate,
            record_bytes: args.record_bytes,
            tries_max: args.serving.tries,
        },
        |line| eprintln!("{line}"),
    )?;
    args.serving.print(&row, &row.text())?;
    for (reader, figures) in row.readers() {
        warn_of_disturbed(reader.name(), figures.disturbed_rounds_kept);
    }
    Ok(())
}
