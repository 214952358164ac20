//! One run of a `ringmirror` program against a source: as a user would start it, until it has
//! caught up.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::measurement::Sample;
use crate::process_watch::ProcessWatch;
use crate::source_child::{SourceDescription, TOPIC};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct ProgramRunPlan<'a> {
    /// The program.
    pub program: &'a Path,
    /// More options of `ringmirror mirror`.
    pub options: &'a [String],
    /// What is mirrored, all of it.
    pub source: &'a SourceDescription,
    /// Where to; must not exist yet.
    pub directory: &'a Path,
}

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct ProgramOutcome {
    /// From the engine's start to the moment when the last byte was there; closing the logs does
    /// not count. Processor time is that of the whole process.
    pub sample: Sample,
    /// Most memory it had in use.
    pub resident_bytes_max: u64,
}

/// Mirrors the whole source into a new directory, which stays.
///
/// # Errors
/// When the program fails, or ends with anything else than a copy of all.
pub fn run(plan: &ProgramRunPlan<'_>) -> Result<ProgramOutcome> {
    let at = plan.program.display();
    let mut child = start(plan).with_context(|| format!("starting {at}"))?;
    let output = child.stdout.take().context("its output is piped")?;
    let errors = child.stderr.take().context("its errors are piped")?;
    let errors = read_all(errors);
    let watched = watch(child.id(), output);
    if watched.is_err() {
        // It may have ended already.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let told = errors.join().unwrap_or_default();
    let watched = watched.with_context(|| format!("{at} ({status}): {told}"))?;
    ensure!(status.success(), "{at}: {status}: {told}");
    let (written, bytes) = (watched.bytes_written, plan.source.bytes());
    ensure!(written == bytes, "{at} wrote {written} bytes of a source that has {bytes}");
    let Watched { elapsed, cpu, resident_bytes_max, .. } = watched;
    Ok(ProgramOutcome { sample: Sample { bytes, elapsed, cpu }, resident_bytes_max })
}

fn start(plan: &ProgramRunPlan<'_>) -> Result<Child> {
    let address = plan.source.address.to_string();
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(plan.program)
        .args(["mirror", "--json", "--until-caught-up", "--topics", TOPIC])
        .args(["--bootstrap-server", &address, "--data-dir"])
        .arg(plan.directory)
        .args(plan.options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// What the program told and cost.
#[derive(Clone, Copy, Debug)]
struct Watched {
    elapsed: Duration,
    cpu: Duration,
    resident_bytes_max: u64,
    bytes_written: u64,
}

/// Follows what it tells, line by line, to its end.
fn watch(process: u32, output: ChildStdout) -> Result<Watched> {
    let mut begun = None;
    let mut copied = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        match Told::parse(&line)? {
            Told::Started => begun = Some((Instant::now(), ProcessWatch::begin(process)?)),
            Told::Stopping => {
                let (began, watch) = begun.context("it stops before it began")?;
                copied = Some((began.elapsed(), watch.cpu()?, watch.resident_bytes_max()?));
            }
            Told::Ended { bytes_written } => {
                let (elapsed, cpu, resident_bytes_max) = copied.context("it did not stop")?;
                return Ok(Watched { elapsed, cpu, resident_bytes_max, bytes_written });
            }
            Told::Other => {}
        }
    }
    bail!("it ended without a word")
}

/// What counts of a line of `ringmirror mirror --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The engine runs.
    Started,
    /// Everything is there; logs are being closed.
    Stopping,
    /// All went well.
    Ended {
        bytes_written: u64,
    },
    Other,
}

impl Told {
    fn parse(line: &str) -> Result<Self> {
        let told: Value = serde_json::from_str(line).with_context(|| format!("it says {line}"))?;
        match told["event"].as_str() {
            Some("started") => Ok(Self::Started),
            Some("stopping") => Ok(Self::Stopping),
            Some("ended") => {
                let outcome = &told["outcome"];
                let is_whole = outcome["end"] == "caught_up" && outcome["closed"] == true;
                ensure!(is_whole, "it copied less than all: {line}");
                let written = outcome["progress"]["bytes_written"].as_u64();
                let bytes_written = written.with_context(|| format!("no bytes in {line}"))?;
                Ok(Self::Ended { bytes_written })
            }
            _ => Ok(Self::Other),
        }
    }
}

/// Reads on the side, so that nobody waits for a full pipe.
fn read_all(mut errors: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is not told.
        let _ = errors.read_to_string(&mut text);
        text
    })
}

#[cfg(test)]
mod tests;
