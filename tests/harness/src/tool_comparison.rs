//! Kafka's command-line tools against two servers that should answer alike.
//!
//! One server is stock Kafka; what the tools print about the other one is compared with it line by
//! line, after the few things that must differ between two servers were given one name each
//! ([`Normalisation`]).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::kafka_jars;
use crate::kafka_release::KafkaRelease;
use crate::kafka_tool::tool_command;

mod calls;
mod normalisation;

pub use calls::{ToolSubjects, read_calls, transaction_calls, write_calls};
pub use normalisation::Normalisation;

/// A server that tools are pointed at.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its `host:port`.
    pub bootstrap: String,
    /// Its node id.
    pub node_id: i32,
    /// Its log directory, as the tools print it.
    pub log_dir: PathBuf,
}

/// One run of a tool.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// Its name in reports.
    pub name: &'static str,
    main_class: &'static str,
    /// `{bootstrap}` and `{node}` stand for those of the server.
    args: Vec<String>,
    input: &'static str,
    normalisations: Vec<Normalisation>,
}

/// What a tool printed about two servers.
#[derive(Clone, Debug)]
pub struct ToolReport {
    /// The name of the call.
    pub name: &'static str,
    /// Normalised lines of the stock server.
    pub lines: usize,
    /// Lines of one server only, `-` before those of the stock one; empty when all is the same.
    pub differences: Vec<String>,
}

/// Runs a tool of `release` against both servers at the same time and compares what it prints.
///
/// # Errors
/// When it cannot be run. A tool that fails alike on both is no error and no difference.
pub fn compare_tool(
    release: KafkaRelease,
    call: &ToolCall,
    stock: &Server,
    checked: &Server,
) -> Result<ToolReport> {
    let java = ToolJava::prepare(release, stock)?;
    let (expected, found) = thread::scope(|scope| {
        let other = scope.spawn(|| call.run(&java, checked));
        (call.run(&java, stock), other.join().expect("a run of a tool does not panic"))
    });
    let (expected, found) = (expected?, found?);
    let differences = differences(&expected, &found);
    Ok(ToolReport { name: call.name, lines: expected.len(), differences })
}

/// A virtual machine for many short runs.
#[derive(Debug)]
struct ToolJava {
    class_path: String,
    /// Classes as the virtual machine maps them: half of the time of a tool is loading them.
    class_archive: PathBuf,
}

impl ToolJava {
    fn prepare(release: KafkaRelease, server: &Server) -> Result<Self> {
        let class_path = kafka_jars::class_path(&kafka_jars::fetch(release)?);
        let name = format!("tool-classes-{}", release.version());
        let archives = kafka_jars::once(&name, |fresh| {
            let archive = fresh.join(CLASS_ARCHIVE);
            let output = tool_command(&class_path)
                .arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()))
                .args([calls::GROUPS, "--list", "--bootstrap-server", &server.bootstrap])
                .stdin(Stdio::null())
                .output()?;
            let complaints = String::from_utf8_lossy(&output.stderr);
            ensure!(archive.is_file(), "no archive of tool classes: {complaints}");
            Ok(())
        })?;
        Ok(Self { class_path, class_archive: archives.join(CLASS_ARCHIVE) })
    }

    fn command(&self) -> Command {
        let mut command = tool_command(&self.class_path);
        command
            .arg(format!("-XX:SharedArchiveFile={}", self.class_archive.display()))
            // An archive of another Java is not used; that is no line of the tool.
            .arg("-Xlog:disable")
            // Log4j's own default would print errors between the lines of the tool.
            .arg("-Dlog4j2.level=OFF");
        command
    }
}

impl ToolCall {
    fn run(&self, java: &ToolJava, server: &Server) -> Result<Vec<String>> {
        let node = server.node_id.to_string();
        let filled =
            |arg: &String| arg.replace("{bootstrap}", &server.bootstrap).replace("{node}", &node);
        let mut tool = java.command();
        tool.arg(self.main_class).args(self.args.iter().map(filled));
        let mut child = Command::new("timeout")
            .args(["--signal=KILL", TOOL_SECONDS_MAX])
            .arg(tool.get_program())
            .args(tool.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("run {}", self.main_class))?;
        let mut input = child.stdin.take().context("a tool without stdin")?;
        // A tool that reads nothing may be gone already.
        let _ = input.write_all(self.input.as_bytes());
        drop(input);
        let output = child.wait_with_output()?;
        let in_time = output.status.code() != Some(KILLED_IN_TIME);
        let (name, address) = (self.name, &server.bootstrap);
        ensure!(in_time, "{name} at {address} does not end within {TOOL_SECONDS_MAX} s");
        let mut lines = vec![format!("ended with {}", output.status)];
        for (sign, printed) in [("", &output.stdout), ("stderr: ", &output.stderr)] {
            let text = String::from_utf8_lossy(printed);
            lines.extend(
                text.lines().filter(|line| !is_stack(line)).map(|line| format!("{sign}{line}")),
            );
        }
        for one in &self.normalisations {
            one.apply(&mut lines, server);
        }
        Ok(lines)
    }
}

/// Exceptions are compared, but not from where they came.
fn is_stack(line: &str) -> bool {
    line.starts_with("\tat ") || line.starts_with("\t... ")
}

/// The lines that only one has, by the longest common subsequence of both.
fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let begin = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let (expected, found) = (&expected[begin..], &found[begin..]);
    let width = found.len() + 1;
    let mut common = vec![0usize; (expected.len() + 1) * width];
    for i in (0..expected.len()).rev() {
        for j in (0..found.len()).rev() {
            common[i * width + j] = if expected[i] == found[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut told) = (0, 0, Vec::new());
    while i < expected.len() || j < found.len() {
        if i < expected.len() && j < found.len() && expected[i] == found[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == found.len()
            || (i < expected.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            told.push(format!("- {}", expected[i]));
            i += 1;
        } else {
            told.push(format!("+ {}", found[j]));
            j += 1;
        }
    }
    told
}

/// More than the tools' own patience with a server.
const TOOL_SECONDS_MAX: &str = "90";
/// What `timeout` ends with when it has killed.
const KILLED_IN_TIME: i32 = 137;
const CLASS_ARCHIVE: &str = "tools.jsa";

#[cfg(test)]
mod tests;
