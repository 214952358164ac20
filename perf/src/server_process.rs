//! A server under measurement: `ringmirror node` or a stock broker, in a process of its own.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use harness::java_process::{STOP_WAIT, terminate};
use harness::server_properties::free_ports;
use serde::Serialize;

use crate::kafka_client::KafkaClient;
use crate::machine::process_cpu_of;
use crate::needed_process::{NeededProcess, ensure_all_run};

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// `ringmirror node`.
    Node,
    /// A released Apache Kafka broker with the options it ships with.
    Stock,
}

/// A running server; asked to end when dropped, and killed when it does not.
#[derive(Debug)]
pub struct ServerProcess {
    kind: ServerKind,
    child: Child,
    address: SocketAddr,
    output: PathBuf,
}

impl ServerKind {
    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Stock => "stock",
        }
    }
}

impl ServerProcess {
    /// Starts `command`, which is to listen on `address`; what it prints goes to `output`.
    ///
    /// It does not outlive this process. Call it from the main thread: the kernel ends it with
    /// the thread that started it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        kind: ServerKind,
        command: &[String],
        address: SocketAddr,
        output: PathBuf,
    ) -> Result<Self> {
        let file = File::create(&output).with_context(|| format!("create {}", output.display()))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting the {} server", kind.name()))?;
        Ok(Self { kind, child, address, output })
    }

    /// Starts `ringmirror node` over a directory; with `mirror_from`, it mirrors all topics there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node(
        ringmirror: &Path,
        data_directory: &Path,
        mirror_from: Option<SocketAddr>,
    ) -> Result<Self> {
        let options = mirror_from.map(|source| mirror_options(source, ".*"));
        Self::start_node_with(ringmirror, data_directory, &options.unwrap_or_default())
    }

    /// Starts `ringmirror node` with more options, like those of [`mirror_options`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node_with(
        ringmirror: &Path,
        data_directory: &Path,
        options: &[String],
    ) -> Result<Self> {
        let address = free_address()?;
        let mut command = vec![
            ringmirror.display().to_string(),
            "node".to_owned(),
            "--data-dir".to_owned(),
            data_directory.display().to_string(),
            "--listen".to_owned(),
            address.to_string(),
        ];
        command.extend_from_slice(options);
        Self::start(ServerKind::Node, &command, address, data_directory.with_extension("node.out"))
    }

    /// Whose process it is.
    #[must_use]
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time of all its threads so far, in steps of 10 ms.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        process_cpu_of(self.id())
    }

    /// Asks again and again until `is_ready` has an answer.
    ///
    /// # Errors
    /// When the server ends, or is not ready within two minutes; the end of its output is
    /// in the error.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        is_ready: impl FnMut(&mut KafkaClient) -> Result<Option<T>>,
    ) -> Result<T> {
        self.wait_until_beside(&[], what, is_ready)
    }

    /// The same for something that needs others to run as well.
    ///
    /// # Errors
    /// The same, and that one of the others has ended.
    pub fn wait_until_beside<T>(
        &mut self,
        others: &[NeededProcess],
        what: &str,
        mut is_ready: impl FnMut(&mut KafkaClient) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + READY_WAIT_MAX;
        let itself = [self.needed(&format!("the {} server", self.kind.name()))];
        loop {
            // A server that is starting refuses connections, or cuts them.
            let answer = KafkaClient::connect(self.address).and_then(|mut it| is_ready(&mut it));
            if let Ok(Some(ready)) = answer {
                return Ok(ready);
            }
            // They may name it better.
            ensure_all_run(others)?;
            ensure_all_run(&itself)?;
            if Instant::now() >= deadline {
                let (name, tail) = (self.kind.name(), self.output_tail());
                bail!(
                    "the {name} server: {what}: not in {READY_WAIT_MAX:?} ({answer:?}): {tail}",
                    answer = answer.map(|_| ())
                );
            }
            thread::sleep(READY_PAUSE);
        }
    }

    /// Its process, as errors are to call it when it ends before it should.
    #[must_use]
    pub fn needed(&self, name: &str) -> NeededProcess {
        NeededProcess::new(name, self.id(), Some(&self.output))
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        terminate(self.id())?;
        let deadline = Instant::now() + STOP_WAIT;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(READY_PAUSE);
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the {} server did not stop in {STOP_WAIT:?}", self.kind.name())
    }

    /// Kills it with signal 9 and waits.
    ///
    /// # Errors
    /// What the system said.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn output_tail(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_TAIL_LINES)..].join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // There is nobody to tell; what matters is that it is gone.
        let _ = self.stop();
    }
}

/// Options of a node that mirrors the topics whose whole names match.
#[must_use]
pub fn mirror_options(source: SocketAddr, topics: &str) -> Vec<String> {
    ["--mirror-from", &source.to_string(), "--topics", topics].map(str::to_owned).to_vec()
}

/// The program beside this one: what the same `cargo build` made.
///
/// # Errors
/// When it was not built.
pub fn ringmirror_program(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => env::current_exe()?.with_file_name("ringmirror"),
    };
    let is_there = path.is_file();
    ensure!(is_there, "{} is not there: cargo build --release -p ringmirror", path.display());
    Ok(path)
}

/// Runs `ringmirror` to its end and returns what it printed.
///
/// # Errors
/// When it fails; what it said is in the error.
pub fn run_ringmirror(ringmirror: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(ringmirror)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {}", ringmirror.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ringmirror {args:?}: {}: {told}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A free port on loopback.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let port = free_ports(1)?.pop().context("one port was asked for")?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// A virtual machine starts in seconds, on a busy machine in tens of them.
const READY_WAIT_MAX: Duration = Duration::from_secs(120);
const READY_PAUSE: Duration = Duration::from_millis(20);
const OUTPUT_TAIL_LINES: usize = 20;
