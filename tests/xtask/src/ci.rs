//! `cargo xtask ci`: what CI runs, step by step.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::repository;

/// Seeds simulated by default. Always the same ones, so that a result is the commit's and not
/// chance's; new histories are what `cargo sim -- --seeds N` is for.
pub(crate) const SIMULATED_SEEDS: u64 = 2000;
/// The first of them; `cargo test -p sim` runs none of these.
const FIRST_SEED: u64 = 100_000;

/// One command of the list.
struct Step {
    arguments: Vec<String>,
    environment: &'static [(&'static str, &'static str)],
}

/// Runs every step and stops at the first that fails.
pub(crate) fn run(seeds: u64) -> Result<()> {
    let begin = Instant::now();
    let mut times = Vec::new();
    for step in steps(seeds) {
        let name = format!("cargo {}", step.arguments.join(" "));
        eprintln!("==> {name}");
        let begin = Instant::now();
        step.run().with_context(|| name.clone())?;
        let took = begin.elapsed();
        eprintln!("<== {name}: {:.1} s", took.as_secs_f64());
        times.push((name, took));
    }
    eprintln!("==> all passed in {:.1} s", begin.elapsed().as_secs_f64());
    for (name, took) in times {
        eprintln!("{:>8.1} s  {name}", took.as_secs_f64());
    }
    Ok(())
}

fn steps(seeds: u64) -> Vec<Step> {
    let (first, seeds) = (FIRST_SEED.to_string(), seeds.to_string());
    let simulate = ["run", "--release", "--quiet", "-p", "sim", "--"];
    let simulate = [&simulate[..], &["--seed", &first, "--seeds", &seeds]].concat();
    vec![
        // A skipped test is an error here.
        step(&["test", "--workspace"], &[("RINGMIRROR_REQUIRE_KAFKA", "1")]),
        step(&["fmt", "--all", "--check"], &[]),
        step(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
        step(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
        step(&simulate, &[]),
        step(&["bench", "-p", "benches", "--", "--test"], &[]),
        // What times on a shared machine cannot tell: whether the hot paths got longer.
        step(&["run", "--quiet", "-p", "xtask", "--", "instructions"], &[]),
        // Six targets: some 40 seconds, and the build.
        step(&["run", "--quiet", "-p", "xtask", "--", "fuzz", "--seconds", "6"], &[]),
        // A client that cannot be installed is an error here.
        step(&["run", "--quiet", "-p", "xtask", "--", "clients"], &[("CI", "true")]),
        step(&["run", "--quiet", "-p", "xtask", "--", "clients", "tools"], &[("CI", "true")]),
    ]
}

fn step(arguments: &[&str], environment: &'static [(&'static str, &'static str)]) -> Step {
    Step { arguments: arguments.iter().map(|&part| part.to_owned()).collect(), environment }
}

impl Step {
    fn run(&self) -> Result<()> {
        // The cargo that runs us, with the toolchain it was asked for.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(&self.arguments)
            .envs(self.environment.iter().copied())
            .current_dir(repository::root())
            .status()?;
        if !status.success() {
            bail!("ended with {status}");
        }
        Ok(())
    }
}
