//! On what, with what, when and by which command: what stands above every table.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};

use crate::peers::record::Sitting;
use crate::server_process::run_ringmirror;
use crate::stock_broker::RELEASE;

impl Sitting {
    /// This one, with the disk that `directory` is on.
    ///
    /// # Errors
    /// When the system or a program does not tell.
    pub fn now(ringmirror: &Path, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let words = env::args().skip(1).collect::<Vec<_>>().join(" ");
        let ours = run_ringmirror(ringmirror, &["--version"])?;
        let java = Command::new("java").arg("-version").output().context("running java")?;
        let java = String::from_utf8_lossy(&java.stderr).into_owned();
        let java = java.split('"').nth(1).unwrap_or("of unknown version");
        Ok(Self {
            date: output("date", &["-u", "+%Y-%m-%d"])?,
            command: format!("cargo perf -- {words}"),
            machine: machine(directory)?,
            versions: format!(
                "{}{}, Apache Kafka {}, Java {java}",
                ours.trim(),
                checkout(),
                RELEASE.version()
            ),
        })
    }
}

/// Which commit is checked out, as the program under measurement has only a version.
fn checkout() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let described = output("git", &["-C", root, "describe", "--always", "--dirty"]);
    match described.unwrap_or_default().as_str() {
        "" => String::new(),
        commit => format!(" (checkout {commit})"),
    }
}

fn machine(directory: &Path) -> Result<String> {
    let cpu = field("/proc/cpuinfo", "model name")?;
    let memory = field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = memory.trim_end_matches(" kB").parse().context("MemTotal in kB")?;
    let gib = (kib + (1 << 19)) >> 20;
    let is_virtual = fs::read_to_string("/proc/cpuinfo")?.contains("hypervisor");
    let kind = if is_virtual { "virtual machine, " } else { "" };
    let cores = available_parallelism()?;
    let path = directory.display().to_string();
    let disk = output("stat", &["--file-system", "--format", "%T", &path])?;
    let kernel = output("uname", &["-sr"])?;
    Ok(format!("{kind}{cores} cores of {cpu}, {gib} GiB, {disk}, {kernel}"))
}

/// The first value of a name in a file of `NAME: VALUE` lines.
fn field(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
    Ok(value.with_context(|| format!("no {name} in {path}"))?.to_owned())
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(args).output().with_context(|| format!("running {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
