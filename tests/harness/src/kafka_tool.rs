//! Kafka's own command-line tools.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::kafka_jars;
use crate::kafka_release::KafkaRelease;

/// Runs a tool of `release` and returns what it printed on standard output.
///
/// # Errors
/// When it cannot be started or fails; its output is in the error.
pub fn run_tool(release: KafkaRelease, main_class: &str, args: &[&str]) -> Result<String> {
    let output = run_tool_for_output(release, main_class, args)?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{main_class} {args:?} of Kafka {release} ended with {}:\n{stdout}{stderr}",
            output.status
        );
    }
    Ok(stdout)
}

/// As [`run_tool`], but a failure of the tool itself is the caller's to judge.
///
/// # Errors
/// When it cannot be started.
pub fn run_tool_for_output(
    release: KafkaRelease,
    main_class: &str,
    args: &[&str],
) -> Result<Output> {
    let jars = kafka_jars::class_path(&kafka_jars::fetch(release)?);
    tool_command(&jars)
        .arg(main_class)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {main_class}"))
}

/// Prints log, index, snapshot or transaction index files with Kafka's dump tool, which also
/// checks them.
///
/// # Errors
/// When the tool fails. It reports most damage in words only: look for them in the result.
pub fn dump_log_segments(release: KafkaRelease, args: &[&str]) -> Result<String> {
    run_tool(release, release.dump_log_segments(), args)
}

/// `java` with what a short-lived tool needs, its class path set.
pub(crate) fn tool_command(class_path: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", class_path]);
    command
}
