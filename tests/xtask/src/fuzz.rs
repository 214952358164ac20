//! `cargo xtask fuzz`: builds the libFuzzer targets for coverage and runs them for a while.
//!
//! The flags are those that cargo-fuzz gives a nightly compiler, without the address sanitizer,
//! which stable does not have: outside of mirror-uring there is no unsafe code to watch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;

/// Every target, in the order of the crates they test.
const TARGETS: [&str; 8] = [
    "batch_stream",
    "fetch_reader",
    "message",
    "request",
    "log_files",
    "recovery",
    "shard",
    "node",
];

/// Runs one target or all of them, each for this long.
pub(crate) fn run(target: Option<&str>, seconds: u32) -> Result<()> {
    let targets: Vec<&str> = match target {
        None => TARGETS.to_vec(),
        Some(name) => {
            ensure!(TARGETS.contains(&name), "no target {name}; there are {}", TARGETS.join(", "));
            vec![name]
        }
    };
    let host = host()?;
    if let Some(reason) = reason_to_skip(&host) {
        for target in targets {
            eprintln!("fuzz {target}: SKIPPED: {reason}");
        }
        return Ok(());
    }
    build(&host)?;
    let mut failed = Vec::new();
    for target in targets {
        match fuzz(&host, target, seconds)? {
            Some(executions) => eprintln!("fuzz {target}: {executions} runs, nothing found"),
            None => failed.push(target),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("found something with {}; the inputs are in tests/fuzz/artifacts", failed.join(", "))
}

/// Why the targets cannot be built here.
fn reason_to_skip(host: &str) -> Option<String> {
    if !host.contains("linux") {
        return Some(format!("the coverage flags are known for Linux, this is {host}"));
    }
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let found = Command::new(&compiler).arg("--version").output().is_ok();
    (!found).then(|| format!("libFuzzer needs a C++ compiler, there is no {compiler}"))
}

/// A target triple given by name keeps build scripts and macros free of the flags.
fn build(host: &str) -> Result<()> {
    let flags = ["--cfg", "fuzzing"].into_iter().chain(COVERAGE);
    let flags: Vec<&str> = flags.collect();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--bins", "--target", host, "--target-dir"])
        // Where we look for them, whatever CARGO_TARGET_DIR says.
        .arg(directory().join("target"))
        .current_dir(directory())
        // Whatever the caller compiles with does not fit here.
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()?;
    ensure!(status.success(), "build of the fuzz targets ended with {status}");
    Ok(())
}

/// How many inputs were run, or nothing when one of them broke the target.
fn fuzz(host: &str, target: &str, seconds: u32) -> Result<Option<u64>> {
    let fuzz = directory();
    let corpus = fresh(&fuzz.join("corpus").join(target), Keep::Yes)?;
    let artifacts = fresh(&fuzz.join("artifacts").join(target), Keep::Yes)?;
    let seeds = fresh(&fuzz.join("target/seeds").join(target), Keep::No)?;
    let log = fuzz.join("target").join(format!("{target}.log"));
    let output = fs::File::create(&log)?;
    eprintln!("fuzz {target}: {seconds} s, output in {}", log.display());
    let status = Command::new(fuzz.join("target").join(host).join("release").join(target))
        .arg(format!("-max_total_time={seconds}"))
        // A short run is a check that must not depend on chance; a long one is a search.
        .args((seconds <= SMOKE_SECONDS_MAX).then_some("-seed=1"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
        .args([&corpus, &seeds])
        .env("RINGMIRROR_FUZZ_SEEDS", &seeds)
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("run {target}"))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("fuzz {target}: FAILED, {status}");
        eprintln!("{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"));
        return Ok(None);
    }
    let runs = text.lines().find_map(|line| line.strip_prefix(RUNS)).context("no statistics")?;
    Ok(Some(runs.trim().parse()?))
}

enum Keep {
    Yes,
    No,
}

/// The directory, made when it is not there, emptied unless its content is kept.
fn fresh(path: &Path, keep: Keep) -> Result<PathBuf> {
    if matches!(keep, Keep::No) && path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)?;
    Ok(path.to_owned())
}

fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output()?;
    let text = String::from_utf8(version.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

fn directory() -> PathBuf {
    repository::root().join("tests/fuzz")
}

/// What libFuzzer needs to see: edges, and the values that are compared.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
const RUNS: &str = "stat::number_of_executed_units:";
const SHOWN_LINES: usize = 30;

/// Up to this long, a run begins with the same inputs every time.
const SMOKE_SECONDS_MAX: u32 = 10;
