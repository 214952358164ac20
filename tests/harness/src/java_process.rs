//! A Java virtual machine that dies with us.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::kafka_release::{KafkaRelease, LoggingBackend};

/// What to start.
#[derive(Debug)]
pub struct JavaLaunch<'a> {
    /// Decides the logging options.
    pub release: KafkaRelease,
    /// The class path, as for `java -cp`.
    pub class_path: &'a str,
    /// The class with `main`.
    pub main_class: &'a str,
    /// Its arguments.
    pub args: &'a [String],
    /// Heap limit in MiB.
    pub heap_mib: u32,
    /// Directory for the logging configuration and the output.
    pub work_dir: &'a Path,
    /// File name, without extension, of the output.
    pub label: &'a str,
    /// Whether it stays when this process ends.
    pub lifetime: Lifetime,
}

/// Whether a started process stays when the process that started it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The kernel kills it when we end, however we end.
    TiedToUs,
    /// It stays until somebody stops it.
    Detached,
}

/// A running Java virtual machine; killed when dropped unless it was detached.
#[derive(Debug)]
pub struct JavaProcess {
    child: Child,
    label: String,
    output: PathBuf,
    lifetime: Lifetime,
}

impl JavaProcess {
    /// Starts it with its output in `<work_dir>/<label>.out`.
    ///
    /// # Errors
    /// When files cannot be written or the process cannot be started.
    pub fn start(launch: &JavaLaunch<'_>) -> Result<Self> {
        let output = launch.work_dir.join(format!("{}.out", launch.label));
        let mut command = launch.command()?;
        let log = File::options().create(true).append(true).open(&output)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Self::spawn(launch, command, output)
    }

    /// As [`Self::start`], but with standard input and output connected to the caller; only
    /// standard error goes to the file.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_piped(launch: &JavaLaunch<'_>) -> Result<Self> {
        let output = launch.work_dir.join(format!("{}.out", launch.label));
        let mut command = launch.command()?;
        let log = File::options().create(true).append(true).open(&output)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        Self::spawn(launch, command, output)
    }

    fn spawn(launch: &JavaLaunch<'_>, command: Command, output: PathBuf) -> Result<Self> {
        let child = spawn_from_lasting_thread(command)
            .with_context(|| format!("start java for {}", launch.label))?;
        let label = launch.label.to_owned();
        Ok(Self { child, label, output, lifetime: launch.lifetime })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The file its output goes to.
    #[must_use]
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The last lines of its output, for error messages.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(OUTPUT_TAIL_LINES);
        format!("--- last lines of {} ---\n{}", self.label, lines[first..].join("\n"))
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it is still there after [`STOP_WAIT`]; it is killed then.
    pub fn stop(&mut self) -> Result<()> {
        if self.has_ended()?.is_some() {
            return Ok(());
        }
        terminate(self.pid())?;
        if self.wait_at_most(STOP_WAIT)?.is_some() {
            return Ok(());
        }
        self.kill()?;
        bail!("{} did not stop within {STOP_WAIT:?}\n{}", self.label, self.output_tail());
    }

    /// Ends it at once (SIGKILL) and waits.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for the end, at most `limit`.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn wait_at_most(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL_PAUSE);
        }
    }
}

impl Drop for JavaProcess {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Detached {
            return;
        }
        if let Ok(None) = self.child.try_wait() {
            // Nobody is left to tell; the kernel kills it with us in any case.
            let _ = self.kill();
        }
    }
}

impl JavaLaunch<'_> {
    fn command(&self) -> Result<Command> {
        let mut command = match self.lifetime {
            Lifetime::TiedToUs => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "java"]);
                command
            }
            Lifetime::Detached => {
                let mut command = Command::new("setsid");
                command.arg("java");
                command
            }
        };
        command
            .arg(format!("-Xmx{}m", self.heap_mib))
            // Short lives on few cores: the optimising compiler and parallel collectors only cost.
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"])
            .arg("-Djava.awt.headless=true")
            .arg(logging_option(self.release.logging_backend(), self.work_dir)?)
            .args(["-cp", self.class_path, self.main_class])
            .args(self.args)
            .current_dir(self.work_dir);
        Ok(command)
    }
}

/// Sends SIGTERM to a process that we started.
///
/// # Errors
/// When it is not there any more or not ours.
pub fn terminate(pid: u32) -> Result<()> {
    let status = Command::new("kill").arg("-TERM").arg(pid.to_string()).status()?;
    if !status.success() {
        bail!("kill -TERM {pid} failed: {status}");
    }
    Ok(())
}

/// Starts `command` from a thread that lasts as long as this process.
///
/// The parent death signal is sent when the *thread* that forked ends (prctl(2)); test threads end
/// with their test, while a cluster may be shared by several.
pub(crate) fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (answer, outcome) = mpsc::channel();
    let spawner = spawner.lock().expect("no holder of the spawner lock panics");
    spawner.send((command, answer)).context("the spawning thread has ended")?;
    Ok(outcome.recv().context("the spawning thread has ended")??)
}

fn logging_option(backend: LoggingBackend, work_dir: &Path) -> Result<String> {
    let (name, text, option) = match backend {
        LoggingBackend::Log4j2 => ("log4j2.properties", LOG4J2, "-Dlog4j2.configurationFile="),
        LoggingBackend::Reload4j => ("log4j.properties", RELOAD4J, "-Dlog4j.configuration=file:"),
    };
    let path = work_dir.join(name);
    if !path.exists() {
        fs::write(&path, text)?;
    }
    Ok(format!("{option}{}", path.display()))
}

/// How long a broker may take for a clean stop.
pub const STOP_WAIT: Duration = Duration::from_secs(60);

const POLL_PAUSE: Duration = Duration::from_millis(10);
const OUTPUT_TAIL_LINES: usize = 40;

/// Standard error, so that the driver's standard output stays its own.
const LOG4J2: &str = "\
status = error
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.err.ref = err
logger.config.name = org.apache.kafka.common.config
logger.config.level = warn
logger.clients.name = org.apache.kafka.clients
logger.clients.level = warn
logger.utils.name = org.apache.kafka.common.utils
logger.utils.level = error
";

const RELOAD4J: &str = "\
log4j.rootLogger=INFO, err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d %p %c{1}: %m%n
log4j.logger.org.apache.kafka.common.config=WARN
log4j.logger.kafka.server.KafkaConfig=WARN
log4j.logger.org.apache.kafka.clients=WARN
log4j.logger.org.apache.kafka.common.utils=ERROR
";
