//! `cargo sim`: runs one seed, or many, and shows the history of the first that breaks a promise.
//!
//! CI simulates the same seeds every time. To look for what nobody has seen, by hand or nightly:
//! `cargo sim -- --seeds 40000 --keep-going`; what it finds is pinned in `tests.rs`. With
//! `--clusters` the coordinators of mirrored clusters are simulated, and not the engine.

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

/// Deterministic simulation of the engine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this history only; without it, one that nobody has seen.
    #[arg(long)]
    seed: Option<u64>,
    /// Run this many histories, from the seed on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Mirrored clusters and their coordinators, in place of the engine.
    #[arg(long)]
    clusters: bool,
    /// Write every line of the history.
    #[arg(long)]
    aloud: bool,
    /// Go on after a broken promise, naming each.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    let first = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    writeln!(out, "seed {first}")?;
    let (mut steps, mut crashes, mut broken_count) = (0, 0, 0_u64);
    for number in 0..arguments.seeds {
        let seed = first.wrapping_add(number);
        let outcome = match arguments.clusters {
            false => sim::run(seed, arguments.aloud),
            true => sim::clusters::run(seed, arguments.seeds == 1).map(|seen| seen.outcome()),
        };
        match outcome {
            Ok(outcome) => {
                steps += outcome.steps;
                crashes += outcome.crashes;
            }
            Err(broken) if arguments.keep_going => {
                broken_count += 1;
                let reason = broken.reason.lines().next().unwrap_or_default();
                writeln!(out, "seed {seed} broken: {reason}")?;
            }
            Err(broken) => {
                writeln!(out, "{}", broken.history)?;
                writeln!(out, "seed {seed} broken: {}", broken.reason)?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    let seeds = arguments.seeds;
    writeln!(out, "{seeds} seeds, {steps} steps, {crashes} crashes, {broken_count} broken")?;
    Ok(if broken_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
