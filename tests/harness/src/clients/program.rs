//! A running client program, asked one thing at a time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Installed;
use crate::driver::Isolation;
use crate::java_process::spawn_from_lasting_thread;

/// The program of one client, connected to one cluster; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    errors: PathBuf,
}

/// What a client is and can do.
#[derive(Clone, Debug, Deserialize)]
pub struct About {
    /// Versions by the name of the library.
    pub versions: BTreeMap<String, String>,
    /// Codecs it produces with.
    pub codecs: Vec<String>,
    /// Group protocols it knows: `classic`, `consumer`.
    pub group_protocols: Vec<String>,
}

/// What a client got from a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Consumed {
    /// By partition; one without records is missing.
    pub partitions: BTreeMap<i32, ConsumedRecords>,
    /// Partition, offset and value of the records whose values begin as asked.
    pub values: Vec<(i32, i64, String)>,
}

/// What a client got from a partition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConsumedRecords {
    /// Number of records.
    pub count: u64,
    /// SHA-256 over one line per record.
    pub sha256: String,
    /// The lines, when asked for.
    #[serde(default)]
    pub lines: Vec<String>,
}

impl Consumed {
    /// Number of records in all partitions.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.partitions.values().map(|records| records.count).sum()
    }

    /// Number of records by partition.
    pub(super) fn counts(&self) -> BTreeMap<i32, u64> {
        self.partitions.iter().map(|(partition, records)| (*partition, records.count)).collect()
    }
}

impl Program {
    /// Starts it; what it complains about goes to a file in `work_dir`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(installed: &Installed, bootstrap: &str, work_dir: &Path) -> Result<Self> {
        let client = installed.client;
        let errors = work_dir.join(format!("{client}-{}.err", bootstrap.replace([':', ','], "-")));
        let mut command = installed.command(bootstrap);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&errors)?);
        let mut child = spawn_from_lasting_thread(command)
            .with_context(|| format!("start the program of {client}"))?;
        let requests = child.stdin.take().context("program without stdin")?;
        let stdout = child.stdout.take().context("program without stdout")?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, requests, answers, errors })
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// What the program answers, or that it does not within its time.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T> {
        let answer = match self.exchange(request) {
            Ok(answer) => answer,
            Err(error) => bail!("{error:#} on {request}\n{}", self.last_complaints()),
        };
        if answer["ok"] != Value::Bool(true) {
            let told = answer["error"].as_str().unwrap_or("no word");
            bail!("{told} on {request}\n{}", self.last_complaints());
        }
        serde_json::from_value(answer).with_context(|| format!("the answer to {request}"))
    }

    fn exchange(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}").context("the program takes no request")?;
        self.requests.flush()?;
        let answer =
            self.answers.recv_timeout(ANSWER_WAIT).context("the program does not answer")?;
        serde_json::from_str(&answer).context("the program answers no JSON")
    }

    fn last_complaints(&self) -> String {
        let text = fs::read_to_string(&self.errors).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(COMPLAINT_LINES)..].join("\n")
    }

    /// Versions and abilities.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn about(&mut self) -> Result<About> {
        self.ask(&json!({"action": "about"}))
    }

    /// Reads a topic from its log starts to its ends.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn consume(&mut self, read: &Read<'_>) -> Result<Consumed> {
        self.ask(&json!({
            "action": "consume",
            "topic": read.topic,
            "isolation": read.isolation.name(),
            "values": read.values,
            "lines": read.lines,
            "counts": read.counts,
        }))
    }
}

/// A topic to read.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What the consumer may see.
    pub isolation: Isolation,
    /// Beginning of the values to tell in full.
    pub values: Option<&'a str>,
    /// Whether to tell a line per record.
    pub lines: bool,
    /// Number of records by partition, for clients that do not know when they are at an end.
    pub counts: BTreeMap<i32, u64>,
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Nobody is left to tell; the kernel kills it with us in any case.
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

/// Longer than any wait inside the programs, so that their own errors come first.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
const COMPLAINT_LINES: usize = 15;
