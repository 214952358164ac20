//! `ringmirror doctor`: what this machine offers, what is missing, what to do.

use std::io;
use std::path::Path;

use mirror_node::control_loop::EngineSettings;
use mirror_node::memory_cap::MemoryCap;
use mirror_uring::probe::{self, DirectoryFacts, MachineFacts, RingFacts, WriteRates};
use rustix::io::Errno;
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

/// One thing looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// `ok`, `warning` (works, but slower or riskier) or `problem` (does not work).
    pub(crate) level: Level,
    /// What was looked at.
    pub(crate) subject: &'static str,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it; empty when nothing.
    pub(crate) fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Ok,
    Warning,
    Problem,
}

pub(crate) fn run(args: &DoctorArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut findings = machine_findings(&probe::machine());
    findings.extend(directory_findings(&args.data_dir));
    let problem = findings.iter().any(|finding| finding.level == Level::Problem);
    if output.json {
        let verdict = if problem { "problem" } else { "ok" };
        output.document(&serde_json::json!({ "verdict": verdict, "findings": findings }))?;
    } else {
        print(&findings, output)?;
    }
    Ok(if problem { ExitCode::Failed } else { ExitCode::Done })
}

fn print(findings: &[Finding], output: &mut Output) -> io::Result<()> {
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Problem => "PROBLEM",
        };
        output.line(format_args!("{level}  {}: {}", finding.subject, finding.found))?;
        if !finding.fix.is_empty() {
            output.line(format_args!("         fix: {}", finding.fix))?;
        }
    }
    Ok(())
}

fn ok(subject: &'static str, found: impl ToString) -> Finding {
    Finding { level: Level::Ok, subject, found: found.to_string(), fix: String::new() }
}

fn warning(subject: &'static str, found: impl ToString, fix: &str) -> Finding {
    let (level, found, fix) = (Level::Warning, found.to_string(), fix.to_owned());
    Finding { level, subject, found, fix }
}

fn problem(subject: &'static str, found: impl ToString, fix: &str) -> Finding {
    Finding { level: Level::Problem, ..warning(subject, found, fix) }
}

/// What there is to say of the machine.
pub(crate) fn machine_findings(facts: &MachineFacts) -> Vec<Finding> {
    let cpus = &facts.cpus;
    vec![
        kernel(&facts.kernel_release),
        ring(&facts.ring, facts.ring_disabled),
        match facts.locked_memory_bytes_max {
            Some(bytes) if bytes < LOCKED_BYTES_MIN => warning(
                "locked memory",
                format_args!("limit is {}", indicatif::BinaryBytes(bytes)),
                "raise it (ulimit -l, LimitMEMLOCK=); kernels before 5.12 charge rings to it",
            ),
            Some(u64::MAX) => ok("locked memory", "no limit"),
            Some(bytes) => ok("locked memory", indicatif::BinaryBytes(bytes)),
            None => warning("locked memory", "the limit cannot be read", "mount /proc"),
        },
        match facts.open_files_max {
            Some(count) if count < OPEN_FILES_MIN => warning(
                "open files",
                format_args!("limit is {count}"),
                "raise it (ulimit -n 65536, LimitNOFILE=65536): segments are reopened often",
            ),
            Some(count) => ok("open files", format_args!("limit is {count}")),
            None => warning("open files", "the limit cannot be read", "mount /proc"),
        },
        match facts.huge_pages.as_deref() {
            Some(setting @ ("always" | "madvise")) => ok("transparent huge pages", setting),
            found => warning(
                "transparent huge pages",
                found.unwrap_or("not there"),
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled; direct writes from \
                 small pages take up to twice the CPU",
            ),
        },
        match cpus.len() {
            0 => problem("CPUs", "the system does not tell them", "name them with --cores"),
            count => ok("CPUs", format_args!("{count} may be used: {cpus:?}")),
        },
        memory(facts.memory_available_bytes, cpus),
    ]
}

/// What is available, held against what a node with a shard on each of `cpus` may take.
fn memory(available: Option<u64>, cpus: &[usize]) -> Finding {
    let engine = EngineSettings { cores: cpus.to_vec(), ..EngineSettings::default() };
    let cap = MemoryCap::default_bytes(&engine);
    let Some(bytes) = available else {
        return warning("memory", "cannot be read", "mount /proc");
    };
    let (available, most) = (indicatif::BinaryBytes(bytes), indicatif::BinaryBytes(cap));
    let found = format!("{available} available, a node takes up to {most} by default");
    if bytes < MEMORY_BYTES_MIN {
        let fix = "free some, or use fewer cores: each shard takes a slab of some 96 MiB";
        warning("memory", found, fix)
    } else if bytes < cap {
        let fix = "free some, or lower memory_bytes_max of a node; mirror takes 105 MiB a core";
        warning("memory", found, fix)
    } else {
        ok("memory", found)
    }
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), Some(_)) if major >= 6 => ok("kernel", release),
        (Some(_), Some(_)) => problem("kernel", release, "Linux 6.0 or newer is needed"),
        _ => {
            warning("kernel", format_args!("{release:?} is not understood"), "Linux 6.0 is needed")
        }
    }
}

fn ring(facts: &RingFacts, disabled: Option<u32>) -> Finding {
    match facts {
        RingFacts::Usable => ok("io_uring", "usable, with every operation needed"),
        RingFacts::Incomplete { missing } => problem(
            "io_uring",
            format_args!("lacks {}", missing.join(", ")),
            "use Linux 6.0 or newer, or allow these operations",
        ),
        RingFacts::Refused { error_code, reason } => refused_ring(*error_code, reason, disabled),
    }
}

/// What a refusal means by its code; the engine's reason holds fixes, so it is the last resort.
fn refused_ring(error_code: Option<i32>, reason: &str, disabled: Option<u32>) -> Finding {
    let Some(code) = error_code else {
        return problem("io_uring", reason, "use Linux 6.0 or newer");
    };
    let (what, fix) = match Errno::from_raw_os_error(code) {
        Errno::NOMEM => (
            "gets no locked memory",
            "raise the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity of the service",
        ),
        Errno::PERM | Errno::ACCESS => ("forbidden for this process", forbidden_fix(disabled)),
        Errno::NOSYS => ("not in this kernel, or hidden by a container", "use Linux 6.0 or newer"),
        Errno::INVAL => ("too old in this kernel", "use Linux 6.0 or newer"),
        _ => ("cannot be set up", "use Linux 6.0 or newer with io_uring allowed"),
    };
    let error = io::Error::from_raw_os_error(code);
    problem("io_uring", format_args!("{what} ({error})"), fix)
}

const fn forbidden_fix(disabled: Option<u32>) -> &'static str {
    match disabled {
        Some(2) => "sysctl kernel.io_uring_disabled=0",
        Some(1) => "sysctl kernel.io_uring_disabled=0, or be in the group kernel.io_uring_group",
        _ => {
            "allow io_uring_setup, io_uring_enter and io_uring_register in the container's \
             seccomp profile"
        }
    }
}

fn directory_findings(directory: &Path) -> Vec<Finding> {
    let facts = match probe::directory(directory) {
        Ok(facts) => facts,
        Err(error) => {
            let found = format!("{}: {error}", directory.display());
            let fix = "name a directory that exists and may be written to with --data-dir";
            return vec![problem("data directory", found, fix)];
        }
    };
    let mut findings = file_system(&facts);
    findings.push(match rustix::fs::statvfs(directory) {
        Ok(room) => {
            let free = room.f_bavail.saturating_mul(room.f_frsize);
            let found = format!("{} free", indicatif::BinaryBytes(free));
            if free < FREE_BYTES_MIN {
                let fix = "free some: a full disk holds mirroring up until there is room";
                warning("disk space", found, fix)
            } else {
                ok("disk space", found)
            }
        }
        Err(error) => warning("disk space", error, "cannot be told"),
    });
    findings.push(match probe::measure_writes(directory, PROBE_BYTES) {
        Ok(rates) => ok("disk writes", rates_text(&rates)),
        Err(error) => problem("disk writes", error, "make room or name another directory"),
    });
    findings
}

fn file_system(facts: &DirectoryFacts) -> Vec<Finding> {
    let name = facts.file_system.as_deref().unwrap_or("unknown");
    let kind = match name {
        "ext4" | "xfs" | "btrfs" => ok("file system", name),
        "tmpfs" | "ramfs" => {
            warning("file system", name, "this is memory: nothing survives a restart")
        }
        "nfs" | "nfs4" | "cifs" => {
            warning("file system", name, "use a local disk: sync and locks are not reliable here")
        }
        _ => warning("file system", name, "ext4 and xfs are what is tested"),
    };
    let direct = match facts.direct_write_bytes_min {
        Some(bytes) if bytes <= DIRECT_BYTES => {
            ok("direct writes", format_args!("in units of {bytes} bytes"))
        }
        Some(bytes) => warning(
            "direct writes",
            format_args!("only in units of {bytes} bytes"),
            "writes go through the page cache (--buffered): about twice the CPU",
        ),
        None => warning(
            "direct writes",
            "refused",
            "mirror with --buffered, or use ext4 or xfs: about half the CPU",
        ),
    };
    let replace = if facts.can_replace_durably {
        ok("replacing files", "atomic and durable")
    } else {
        problem("replacing files", "not durable", "use a local ext4 or xfs: checkpoints need it")
    };
    vec![kind, direct, replace]
}

fn rates_text(rates: &WriteRates) -> String {
    let buffered = rates.buffered_bytes_per_second / 1e6;
    match rates.direct_bytes_per_second {
        Some(direct) => format!("direct {:.0} MB/s, buffered {buffered:.0} MB/s", direct / 1e6),
        None => format!("buffered {buffered:.0} MB/s"),
    }
}

const LOCKED_BYTES_MIN: u64 = 1 << 20;
const OPEN_FILES_MIN: u64 = 4096;
const MEMORY_BYTES_MIN: u64 = 512 << 20;
const FREE_BYTES_MIN: u64 = 4 << 30;
/// What the engine writes in.
const DIRECT_BYTES: usize = 4096;
/// Written twice to measure the disk.
const PROBE_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests;
