//! The program under test: built once per test process, run as its users run it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fmt};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::java_process::{spawn_from_lasting_thread, terminate};

/// A command line of ringmirror, not run yet.
#[derive(Clone, Debug)]
pub struct Ringmirror {
    args: Vec<String>,
    tmpfs: Option<(PathBuf, u64)>,
    limit: Duration,
}

impl Ringmirror {
    /// Any command.
    #[must_use]
    pub fn new(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { args, tmpfs: None, limit: RUN_LIMIT }
    }

    /// `ringmirror mirror --json` with what every mirror needs.
    #[must_use]
    pub fn mirror(bootstrap_server: &str, topics: &str, data_dir: &Path) -> Self {
        Self::new(&["mirror", "--json", "--bootstrap-server", bootstrap_server])
            .option("--topics", topics)
            .option("--data-dir", &data_dir.display().to_string())
    }

    /// `ringmirror verify --json` of a whole directory.
    #[must_use]
    pub fn verify(bootstrap_server: &str, data_dir: &Path) -> Self {
        Self::new(&["verify", "--json", "--bootstrap-server", bootstrap_server])
            .option("--data-dir", &data_dir.display().to_string())
    }

    /// `ringmirror node --json` at any port of this machine, mirroring nothing.
    #[must_use]
    pub fn node(data_dir: &Path) -> Self {
        Self::node_at("127.0.0.1:0", data_dir)
    }

    /// As [`Self::node`] at an address, to be found there again after a restart.
    #[must_use]
    pub fn node_at(address: &str, data_dir: &Path) -> Self {
        Self::new(&["node", "--json", "--listen", address])
            .option("--data-dir", &data_dir.display().to_string())
    }

    /// Has a node mirror.
    #[must_use]
    pub fn mirror_from(self, bootstrap_server: &str, topics: &str) -> Self {
        self.option("--mirror-from", bootstrap_server).option("--topics", topics)
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Adds an option with its value.
    #[must_use]
    pub fn option(self, name: &str, value: &str) -> Self {
        self.arg(name).arg(value)
    }

    /// Adds `--until-caught-up`.
    #[must_use]
    pub fn until_caught_up(self) -> Self {
        self.arg("--until-caught-up")
    }

    /// Gives it a file system of its own at `directory`, of so many bytes. Only it sees that;
    /// others find it below [`Running::root`]. It is gone when the program ends.
    #[must_use]
    pub fn on_small_disk(mut self, directory: &Path, bytes: u64) -> Self {
        self.tmpfs = Some((directory.to_owned(), bytes));
        self
    }

    /// Lets it run longer or shorter than [`RUN_LIMIT`].
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be built or started, or does not end in time; it is killed then.
    pub fn run(self) -> Result<Ended> {
        let limit = self.limit;
        self.spawn()?.wait(limit)
    }

    /// Starts it in the background.
    ///
    /// # Errors
    /// When it cannot be built or started.
    pub fn spawn(self) -> Result<Running> {
        let mut command = match &self.tmpfs {
            None => Command::new("setpriv"),
            Some((directory, bytes)) => {
                // Changing credentials clears the parent death signal, so it is set inside.
                let mut command = Command::new("unshare");
                let mount = "mount -t tmpfs -o size=$1 none \"$0\" && shift && exec setpriv \"$@\"";
                command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount]);
                command.arg(directory).arg(bytes.to_string());
                command
            }
        };
        command.args(["--pdeathsig", "KILL"]).arg(program()?).args(&self.args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_from_lasting_thread(command).context("start ringmirror")?;
        let stdout = child.stdout.take().context("ringmirror without stdout")?;
        let stderr = child.stderr.take().context("ringmirror without stderr")?;
        Ok(Running {
            child,
            command_line: self.args.join(" "),
            lines: Mutex::new(read_lines(stdout)),
            seen: Vec::new(),
            stderr: Some(read_all(stderr)),
        })
    }
}

/// A running ringmirror; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command_line: String,
    /// Locked by nobody: it is there so that a node can be asked from several threads.
    lines: Mutex<Receiver<String>>,
    seen: Vec<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its view of the file system is for others.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid()))
    }

    /// Waits for a line of JSON on standard output that `is_it` likes, from the first line not
    /// waited past yet.
    ///
    /// # Errors
    /// When none comes within `limit`, or the program ends before.
    pub fn wait_for(
        &mut self,
        limit: Duration,
        mut is_it: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let lines = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner);
            match lines.recv_timeout(left) {
                Ok(line) => {
                    let event = serde_json::from_str(&line).unwrap_or(Value::Null);
                    self.seen.push(line);
                    if is_it(&event) {
                        return Ok(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{}: not within {limit:?}; told:\n{}", self.command_line, self.told())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.child.wait();
                    let stderr = self.stderr.take().map(join).unwrap_or_default();
                    let told = self.told();
                    bail!("{}: ended before:\n{told}\n{stderr}", self.command_line)
                }
            }
        }
    }

    /// Waits for an event by its name.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_for_event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        self.wait_for(limit, |event| event["event"] == name)
            .with_context(|| format!("waiting for {name}"))
    }

    /// Waits until a node serves; returns where.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_serving(&mut self, limit: Duration) -> Result<String> {
        let serving = self.wait_for_event("serving", limit)?;
        Ok(serving["advertised"].as_str().context("an address")?.to_owned())
    }

    /// Lines told so far, of those of progress only the last.
    fn told(&self) -> String {
        let news = self.seen.iter().filter(|line| !line.contains(PROGRESS));
        let progress = self.seen.iter().rfind(|line| line.contains(PROGRESS));
        news.chain(progress).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it is still there after [`STOP_LIMIT`]; it is killed then.
    pub fn terminate(self) -> Result<Ended> {
        terminate(self.pid())?;
        self.wait(STOP_LIMIT)
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(mut self) -> Result<Ended> {
        self.child.kill()?;
        self.wait(STOP_LIMIT)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When that takes longer than `limit`; it is killed then.
    pub fn wait(mut self, limit: Duration) -> Result<Ended> {
        let deadline = Instant::now() + limit;
        // Standard output ends with the process.
        loop {
            let lines = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner);
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill()?;
                    bail!("{} did not end within {limit:?}:\n{}", self.command_line, self.told())
                }
            }
        }
        let status = self.child.wait()?;
        Ok(Ended {
            command_line: std::mem::take(&mut self.command_line),
            status,
            stdout: self.seen.iter().flat_map(|line| [line.as_str(), "\n"]).collect(),
            stderr: self.stderr.take().map(join).unwrap_or_default(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Nobody is left to tell.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a run of ringmirror left.
#[derive(Clone, Debug)]
pub struct Ended {
    command_line: String,
    status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Goes on only when the exit code is `code`.
    ///
    /// # Errors
    /// Another code, with all that was printed.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        ensure!(self.code() == Some(code), "expected exit code {code}: {self}");
        Ok(self)
    }

    /// Goes on only when the exit code is `code` and standard error holds all of `words`.
    ///
    /// # Errors
    /// Another code or text, with all that was printed.
    pub fn expect_refusal(self, code: i32, words: &[&str]) -> Result<Self> {
        let ended = self.expect_code(code)?;
        for word in words {
            ensure!(ended.stderr.contains(word), "no {word:?} in the message: {ended}");
        }
        Ok(ended)
    }

    /// Standard output as lines of JSON.
    ///
    /// # Errors
    /// When a line is none.
    pub fn events(&self) -> Result<Vec<Value>> {
        let parse =
            |line| serde_json::from_str(line).with_context(|| format!("no JSON: {line} of {self}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The events with this name.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn events_named(&self, name: &str) -> Result<Vec<Value>> {
        Ok(self.events()?.into_iter().filter(|event| event["event"] == name).collect())
    }

    /// Standard output as one JSON document.
    ///
    /// # Errors
    /// When it is none.
    pub fn document(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON document: {self}"))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let news = self.stdout.lines().filter(|line| !line.contains(PROGRESS));
        let news = news.collect::<Vec<_>>().join("\n");
        let (command_line, status) = (&self.command_line, self.status);
        write!(f, "ringmirror {command_line}: {status}\n{news}\n--- stderr\n{}", self.stderr)
    }
}

/// The program, built with the cargo, profile and target directory of the running test or task.
///
/// # Errors
/// When it cannot be built.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    match built {
        Ok(path) => Ok(path),
        Err(error) => bail!("{error}"),
    }
}

fn build() -> Result<PathBuf> {
    cargo_build(&["-p", "ringmirror", "--bin", "ringmirror"])?;
    let path = profile_dir()?.join("ringmirror");
    ensure!(path.is_file(), "cargo built no {}", path.display());
    Ok(path)
}

/// Runs `cargo build` with the cargo, profile and target directory of the running test.
///
/// # Errors
/// When cargo fails; its output is in the error.
pub fn cargo_build(args: &[&str]) -> Result<()> {
    let profile_dir = profile_dir()?;
    let target_dir = profile_dir.parent().context("the profile lies in the target directory")?;
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--profile", profile, "--target-dir"])
        .arg(target_dir)
        .args(args)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::null())
        .output()
        .context("run cargo")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo build {args:?} failed:\n{stderr}");
    Ok(())
}

/// Where cargo puts what it builds beside the running program: `<target>/<profile>`.
///
/// # Errors
/// When the program does not lie where cargo puts tests and other programs.
pub fn profile_dir() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let directory = program.parent().context("a program lies in a directory")?;
    let profile_dir =
        if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    let profile_dir = profile_dir.filter(|dir| dir.join("deps").is_dir());
    let profile_dir =
        profile_dir.with_context(|| format!("{} is not cargo's", program.display()))?;
    Ok(profile_dir.to_owned())
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn read_all(mut stderr: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth telling.
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn join(reader: JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}

/// How long a command may take unless a test says otherwise.
pub const RUN_LIMIT: Duration = Duration::from_secs(60);

/// How long a stop may take: a service manager waits ten seconds by default, and the machine of a
/// test is busy.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);

const PROGRESS: &str = "\"event\":\"progress\"";
