//! The typed side of the Java program that drives a cluster with Kafka's own clients.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::driver_program;
use crate::java_process::{JavaLaunch, JavaProcess, Lifetime};
use crate::kafka_release::KafkaRelease;

mod acls;
mod produce;
mod read;
mod topics;

pub use acls::Acl;
pub use produce::{Codec, Outcome, Produce, Produced};
pub use read::{Digest, Isolation, Range, Record};
pub use topics::{CreateTopic, PartitionDescription, TopicDescription};

/// A long-lived process with an admin client, producers and consumers of the cluster's release.
///
/// One request at a time; callers on several threads wait for each other, those of other clusters
/// that it drives included ([`Self::at`]).
#[derive(Debug)]
pub struct Driver {
    wires: Arc<Mutex<Wires>>,
    /// Another cluster than the one it was started against.
    at: Option<String>,
    /// As whom, where clients say who they are.
    user: Option<String>,
}

#[derive(Debug)]
struct Wires {
    process: JavaProcess,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Driver {
    /// Starts it against `bootstrap_servers`; its output is `driver.out` in `work_dir`.
    ///
    /// # Errors
    /// When the driver cannot be compiled or started.
    pub fn start(release: KafkaRelease, bootstrap_servers: &str, work_dir: &Path) -> Result<Self> {
        let mut process = JavaProcess::start_piped(&JavaLaunch {
            release,
            class_path: &driver_program::class_path(release)?,
            main_class: driver_program::MAIN_CLASS,
            args: &[bootstrap_servers.to_owned()],
            heap_mib: DRIVER_HEAP_MIB,
            work_dir,
            label: "driver",
            lifetime: Lifetime::TiedToUs,
        })?;
        let requests = process.child_mut().stdin.take().context("driver without stdin")?;
        let stdout = process.child_mut().stdout.take().context("driver without stdout")?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let wires = Wires { process, requests, answers };
        Ok(Self { wires: Arc::new(Mutex::new(wires)), at: None, user: None })
    }

    /// Clients of another cluster in the same process, which costs less than a process of its own.
    /// Names of producers are the cluster's own. Their connections are closed when it is dropped.
    #[must_use]
    pub fn at(&self, bootstrap_servers: &str) -> Self {
        let at = Some(bootstrap_servers.to_owned());
        Self { wires: Arc::clone(&self.wires), at, user: None }
    }

    /// Has it say that it is this user, by SASL/PLAIN; see
    /// [`crate::ClusterOptions::with_authorizer`].
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// What the driver answers, or that it does not within [`ANSWER_WAIT`].
    pub(crate) fn ask<T: DeserializeOwned>(&self, request: &Value) -> Result<T> {
        let mut request = request.clone();
        if let Some(at) = &self.at {
            request["at"] = at.as_str().into();
        }
        if let Some(user) = &self.user {
            request["as"] = user.as_str().into();
        }
        let mut wires = self.wires.lock().expect("nothing panics while the driver is locked");
        let line = format!("{request}\n");
        let answer = match wires.exchange(&line) {
            Ok(answer) => answer,
            Err(error) => bail!("{error:#} on {}\n{}", line.trim(), wires.process.output_tail()),
        };
        let answer: Value = serde_json::from_str(&answer).context("driver answers no JSON")?;
        if answer["ok"] != Value::Bool(true) {
            bail!("driver: {} on {}", answer["error"].as_str().unwrap_or("?"), line.trim());
        }
        serde_json::from_value(answer).with_context(|| format!("driver's answer to {request}"))
    }

    /// As [`Self::ask`] when only success matters.
    pub(crate) fn tell(&self, request: &Value) -> Result<()> {
        self.ask::<Value>(request).map(|_| ())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.at.is_some() {
            // The process may have ended, and its connections with it.
            let _ = self.tell(&json!({"do": "leave"}));
        }
    }
}

impl Wires {
    fn exchange(&mut self, line: &str) -> Result<String> {
        self.requests.write_all(line.as_bytes()).context("driver takes no request")?;
        self.requests.flush()?;
        self.answers.recv_timeout(ANSWER_WAIT).context("driver does not answer")
    }
}

const DRIVER_HEAP_MIB: u32 = 512;

/// Longer than any wait inside the driver, so that its own errors come first.
const ANSWER_WAIT: Duration = Duration::from_secs(180);
