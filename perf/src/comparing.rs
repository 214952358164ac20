//! The command that compares two builds.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, value_parser};
use perf::compare::{self, Build, ComparePlan, program};
use perf::compare_row::CompareRow;
use perf::measurement::TRIES_MAX;

use crate::serving::{print, warn_of_disturbed};

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// The first build: path of a ringmirror program.
    a: String,
    /// The second build, which is told over the first.
    b: String,
    /// Print rows as JSON.
    #[arg(long)]
    json: bool,
    /// Scenarios like 8-partitions or 1000-partitions; 8-partitions by default.
    #[arg(long = "scenario", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Options of ringmirror mirror for A only, separated by blanks.
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    options_a: String,
    /// Options of ringmirror mirror for B only, separated by blanks.
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    options_b: String,
    /// Rounds of every scenario, each with both builds; from 9 on, one may be out of the way.
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds before them that do not count.
    #[arg(long, default_value_t = 1)]
    warm_up_rounds: u32,
    /// Bytes mirrored in one run.
    #[arg(long, default_value_t = 8 << 30, value_parser = value_parser!(u64).range(1..))]
    bytes: u64,
    /// Tries at a run that other work disturbs, before it is taken after all.
    #[arg(long, default_value_t = TRIES_MAX, value_parser = value_parser!(u32).range(1..))]
    tries: u32,
    /// Directory on the disk to write to; what is written is removed.
    #[arg(long, default_value = "target/tmp")]
    directory: PathBuf,
}

pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    let build = |named: &str, options: &str| -> Result<Build> {
        let options = options.split_whitespace().map(str::to_owned).collect();
        Ok(Build { program: program(named)?, options })
    };
    let plan = ComparePlan {
        builds: [build(&args.a, &args.options_a)?, build(&args.b, &args.options_b)?],
        directory: args.directory.clone(),
        rounds: args.rounds,
        warm_up_rounds: args.warm_up_rounds,
        bytes: args.bytes,
        scenarios: args.scenarios.clone(),
        tries_max: args.tries,
    };
    let rows = compare::measure(&plan, |line| eprintln!("{line}"))?;
    let texts: Vec<String> = rows.iter().map(CompareRow::text).collect();
    print(args.json, &rows, &texts.join("\n\n"))?;
    for row in &rows {
        for build in [&row.a, &row.b] {
            let name = format!("{} {}", row.scenario, build.figures.scenario);
            warn_of_disturbed(&name, build.figures.disturbed_rounds_kept);
        }
    }
    Ok(())
}
