//! `cargo xtask instructions`: how many instructions the workloads of `benches` take, counted by
//! callgrind and compared with those recorded in `benches/instructions.toml`.
//!
//! **What is counted.** Code of our own and of the crates compiled with it, inside of
//! `benches::workload::counted`. Told beside it and not compared: `crc-fast`, whose code follows
//! from the processor (under valgrind, which knows no AVX-512, it is not the code that runs
//! without), and the C library, which chooses its `memcpy` by processor and version too.
//!
//! So the counts of a commit follow from its sources, `Cargo.lock` and the compiler.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;
use profile::Profile;
use recorded::{Recorded, Verdict};

mod profile;
mod recorded;

/// Instructions that one unit of a workload takes.
struct Counted {
    name: String,
    unit: String,
    own: f64,
    /// Those that are not compared.
    beside: f64,
}

/// Counts every workload; records what was counted, or compares it with what is recorded.
pub(crate) fn run(record: bool) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        eprintln!("instructions: SKIPPED: those recorded are of x86-64");
        return Ok(());
    }
    let program = build()?;
    let mut all = Vec::new();
    for line in output(&mut Command::new(&program))?.lines() {
        let (name, unit) = line.split_once(' ').context("a workload without a unit")?;
        eprintln!("instructions: {name}");
        all.push(count(&program, name, unit)?);
    }
    let rustc = output(Command::new(rustc()).arg("--version"))?.trim().to_owned();
    let path = repository::root().join("benches/instructions.toml");
    if record {
        let per_unit = all.iter().map(|counted| (counted.name.clone(), counted.own)).collect();
        fs::write(&path, Recorded { rustc: rustc.clone(), per_unit }.text())?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    compare(&all, &Recorded::parse(&text)?, &rustc)
}

fn compare(all: &[Counted], recorded: &Recorded, rustc: &str) -> Result<()> {
    let tolerance = recorded.tolerance(rustc);
    let mut table = row("workload", "unit", ["instructions", "recorded", "change", "beside"]);
    let mut findings = Vec::new();
    for Counted { name, unit, own, beside } in all {
        let verdict = recorded.verdict(name, *own, tolerance);
        let (known, change) = match &verdict {
            Verdict::New => ("-".to_owned(), "-".to_owned()),
            Verdict::Within { known, change } | Verdict::Beyond { known, change } => {
                (format!("{known:.1}"), format!("{:+.1} %", change * 100.0))
            }
        };
        table += &row(name, unit, [&format!("{own:.1}"), &known, &change, &format!("{beside:.1}")]);
        if !matches!(verdict, Verdict::Within { .. }) {
            findings.push(format!("{name}: {own:.1} by {unit}, recorded {known}"));
        }
    }
    let gone = |name: &&String| !all.iter().any(|counted| counted.name == **name);
    findings.extend(recorded.per_unit.keys().filter(gone).map(|name| format!("{name}: gone")));
    io::stdout().write_all(table.as_bytes())?;
    let percent = tolerance * 100.0;
    if recorded.rustc != rustc {
        let known = &recorded.rustc;
        eprintln!("counted with {rustc}, recorded with {known}: tolerance is {percent:.0} %");
    }
    if findings.is_empty() {
        return Ok(());
    }
    let findings = findings.join("\n  ");
    bail!(
        "not within {percent:.0} % of what is recorded:\n  {findings}\n\
         where that is meant, better or worse: cargo xtask instructions --record"
    )
}

fn row(workload: &str, unit: &str, figures: [&str; 4]) -> String {
    let mut row = format!("{workload:<36} {unit:<10}");
    for figure in figures {
        write!(row, " {figure:>12}").expect("a string takes all text");
    }
    row + "\n"
}

/// The program that runs workloads, as it would be released, for any x86-64 processor.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(
        Command::new(cargo)
            .args(["build", "--release", "--quiet", "-p", "benches", "--bin", PROGRAM])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(repository::root())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    for line in text.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["target"]["name"] == PROGRAM
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo does not tell where {PROGRAM} is")
}

fn count(program: &Path, name: &str, unit: &str) -> Result<Counted> {
    let profile = program.with_file_name(format!("{PROGRAM}.callgrind"));
    let text = output(
        Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
            .args(["--compress-strings=no", "--compress-pos=no"])
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(format!("--zero-before={MEASURED_RUNS}"))
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args([name, RUNS]),
    )
    .context("valgrind counts the instructions: apt-get install valgrind")?;
    let units: u64 = text.trim().parse().with_context(|| format!("{name} prints {text}"))?;
    let counts = Profile::parse(&fs::read_to_string(&profile)?)?;
    fs::remove_file(&profile)?;
    let (mut own, mut beside) = (0, 0);
    for ((object, function), instructions) in counts.by_function {
        let is_own = Path::new(&object) == program && !function.contains("crc_fast::");
        *(if is_own { &mut own } else { &mut beside }) += instructions;
    }
    ensure!(own > 0, "{name}: nothing was counted, is {COUNTED} still a function of its own?");
    let [own, beside] = [own, beside].map(|count: u64| count as f64 / units as f64);
    Ok(Counted { name: name.to_owned(), unit: unit.to_owned(), own, beside })
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// What the command prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

const PROGRAM: &str = "instructions";
/// How often a workload is run: they come to the same count each time but for what happens now and
/// then, as a segment that is rolled.
const RUNS: &str = "2";
const COUNTED: &str = "benches::workload::counted*";
const MEASURED_RUNS: &str = "instructions::measured_runs*";
