//! A program of one's own over librdkafka, which consumes into a file for each partition: what
//! many would write instead of mirroring. Offsets, batches and compression are lost on the way.
//!
//! Its source is compiled here, with the librdkafka of the Python client that the tests use
//! (`tests/clients`), else with the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use harness::clients::{Client, install};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::measurement::Sample;
use crate::needed_process::{NeededProcess, ensure_all_run};
use crate::peers::spent_logs::SpentLogs;
use crate::peers::{CopyPlan, CopyRun};

/// The compiled program.
#[derive(Clone, Debug)]
pub struct LibrdkafkaPeer {
    program: PathBuf,
    /// Version of the library.
    pub version: String,
    /// Have it check the CRC of every batch, as ringmirror and Kafka's follower do; off is its
    /// default.
    pub check_crcs: bool,
}

impl LibrdkafkaPeer {
    /// Compiles the program below `directory`, which is kept, fetching what is missing: call it
    /// while there is a network.
    ///
    /// # Errors
    /// What is missing, and how to install it.
    pub fn prepare(directory: &Path, check_crcs: bool) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let library = library(&directory.join("clients"));
        let header = header(&directory.join("librdkafka-dev"))?;
        let source = directory.join("librdkafka_to_file.c");
        fs::write(&source, SOURCE)?;
        let program = directory.join("librdkafka_to_file");
        let mut compiler = Command::new("gcc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-o"]).arg(&program).arg(&source);
        compiler.arg("-I").arg(header);
        match &library {
            Some(library) => {
                let beside = library.parent().context("a library lies in a directory")?;
                compiler.arg(library).arg(format!("-Wl,-rpath,{}", beside.display()))
            }
            None => compiler.arg("-lrdkafka"),
        };
        run(&mut compiler).with_context(|| format!("compiling {}: {MISSING}", source.display()))?;
        let version = run(Command::new(&program).arg("--version"))?.trim().to_owned();
        Ok(Self { program, version, check_crcs })
    }

    /// Copies the topic; the clock runs from the start of the program to the last byte handed to
    /// the system.
    ///
    /// # Errors
    /// When the program fails, or its files lack records.
    pub fn copy(&self, plan: &CopyPlan<'_>) -> Result<CopyRun> {
        fs::create_dir_all(plan.directory)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(&self.program)
            .args([&plan.source.to_string(), plan.topic])
            .arg(plan.directory)
            .args([self.check_crcs.to_string()])
            .arg(plan.response_bytes_max.unwrap_or(0).to_string())
            .args(plan.end_offsets.iter().map(i64::to_string));
        let begun = Instant::now();
        let told = run_beside(&mut command, plan.needed);
        let elapsed = begun.elapsed();
        let written = told.and_then(|told| Ok((Told::parse(&told)?, file_bytes(plan.directory)?)));
        SpentLogs::retire(plan.spent, plan.directory)?;
        let (told, file_bytes) = written?;
        let (records, wanted) = (told.records, plan.records);
        ensure!(records == wanted, "librdkafka gave {records} of {wanted} records");
        ensure!(file_bytes > records * LENGTHS_BYTES, "{file_bytes} bytes for {records} records");
        let cpu = Duration::try_from_secs_f64(told.cpu_seconds)?;
        Ok(CopyRun {
            sample: Sample { bytes: plan.bytes, elapsed, cpu },
            first_byte: None,
            source_cpu: None,
            target_cpu: None,
            resident_bytes_max: told.resident_kib_max * 1024,
        })
    }
}

/// What the program says when it is done.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Told {
    records: u64,
    cpu_seconds: f64,
    resident_kib_max: u64,
}

impl Told {
    fn parse(output: &str) -> Result<Self> {
        let line = output.lines().last().context("the program said nothing")?;
        serde_json::from_str(line).with_context(|| format!("the program says {line}"))
    }
}

/// The library that the Python client brings; `None` when it cannot be installed.
fn library(directory: &Path) -> Option<PathBuf> {
    if let Err(error) = install(Client::ConfluentKafka, directory) {
        eprintln!("no librdkafka of the Python client, the system's is tried: {error:#}");
        return None;
    }
    let python = fs::read_dir(directory.join("confluent-kafka/lib")).ok()?.next()?.ok()?.path();
    let beside = python.join("site-packages/confluent_kafka.libs");
    let files = fs::read_dir(beside).ok()?.filter_map(Result::ok);
    let mut libraries = files.map(|file| file.path()).filter(|path| is_librdkafka(path));
    libraries.next()
}

fn is_librdkafka(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| name.starts_with("librdkafka") && name.contains(".so"))
}

/// The directory for `-I`: the system's, or that of its package, which is unpacked here.
fn header(directory: &Path) -> Result<PathBuf> {
    let installed = Path::new("/usr/include");
    let unpacked = directory.join("usr/include");
    for include in [installed, &unpacked] {
        if include.join(HEADER).is_file() {
            return Ok(include.to_owned());
        }
    }
    fs::create_dir_all(directory)?;
    let fetched =
        run(Command::new("apt-get").args(["download", "-q", PACKAGE]).current_dir(directory));
    fetched.with_context(|| MISSING.to_owned())?;
    let package = fs::read_dir(directory)?.filter_map(Result::ok).map(|file| file.path());
    let mut package = package.filter(|path| path.extension().is_some_and(|kind| kind == "deb"));
    let package = package.next().context("apt-get brought no package")?;
    run(Command::new("dpkg-deb").arg("-x").args([&package, directory]))?;
    ensure!(unpacked.join(HEADER).is_file(), "no {HEADER} in {}", package.display());
    Ok(unpacked)
}

fn file_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(directory)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}

fn run(command: &mut Command) -> Result<String> {
    run_beside(command, &[])
}

/// Runs a program to its end, and ends it when one of those is gone that it needs.
fn run_beside(command: &mut Command, needed: &[NeededProcess]) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn().with_context(|| format!("running {program}"))?;
    let id = Pid::from_child(&child);
    let output = thread::scope(|scope| -> Result<Output> {
        let (running, has_ended) = mpsc::channel::<()>();
        let guard = scope.spawn(move || {
            while has_ended.recv_timeout(LOOK_PAUSE) == Err(RecvTimeoutError::Timeout) {
                if let Err(ended) = ensure_all_run(needed) {
                    // It may have failed by itself meanwhile.
                    let _ = kill_process(id, Signal::KILL);
                    return Err(ended);
                }
            }
            Ok(())
        });
        let output = child.wait_with_output();
        drop(running);
        guard.join().unwrap_or_else(|_| bail!("watching {program} panicked"))?;
        Ok(output?)
    })?;
    if !output.status.success() {
        bail!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const SOURCE: &str = include_str!("../../peers/librdkafka_to_file.c");
const HEADER: &str = "librdkafka/rdkafka.h";
const PACKAGE: &str = "librdkafka-dev";
const MISSING: &str = "gcc and librdkafka are needed: apt-get install gcc librdkafka-dev";
/// From one look at who is needed to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Length of the key and of the value before each record.
const LENGTHS_BYTES: u64 = 8;

#[cfg(test)]
mod tests;
