//! What this machine and a directory on it offer the engine: facts, for people to judge.

use std::fs;
use std::io;

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use crate::affinity;
use crate::engine_error::EngineError;

mod directory;

pub use directory::{DirectoryFacts, WriteRates, directory, measure_writes};

/// Facts about this machine and what this process may do on it.
#[derive(Clone, Debug)]
pub struct MachineFacts {
    /// Release of the running kernel, as `uname -r` prints it.
    pub kernel_release: String,
    /// Whether a ring can be made, and what it can do.
    pub ring: RingFacts,
    /// Value of the sysctl `kernel.io_uring_disabled`: 0 all may, 1 a group may, 2 nobody may.
    pub ring_disabled: Option<u32>,
    /// Soft limit on locked memory, bytes; `u64::MAX` when there is none.
    pub locked_memory_bytes_max: Option<u64>,
    /// Soft limit on open files; `u64::MAX` when there is none.
    pub open_files_max: Option<u64>,
    /// Setting of transparent huge pages: `always`, `madvise` or `never`; `None` without them.
    pub huge_pages: Option<String>,
    /// CPUs this process may use, ascending.
    pub cpus: Vec<usize>,
    /// Memory the system can still give, bytes.
    pub memory_available_bytes: Option<u64>,
}

/// Whether a ring can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingFacts {
    /// It can, with every operation the engine uses.
    Usable,
    /// It can, but these operations are missing.
    Incomplete {
        /// Names of the missing operations, as in the kernel's headers without their prefix.
        missing: Vec<&'static str>,
    },
    /// It cannot.
    Refused {
        /// The system's error code.
        error_code: Option<i32>,
        /// What the system said, what it means, and how to change it.
        reason: String,
    },
}

/// Looks at this machine. Makes a ring and drops it; changes nothing.
#[must_use]
pub fn machine() -> MachineFacts {
    let limits = read("/proc/self/limits").unwrap_or_default();
    let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
    MachineFacts {
        kernel_release: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        ring: ring_facts(),
        ring_disabled: read("/proc/sys/kernel/io_uring_disabled")
            .and_then(|text| text.parse().ok()),
        locked_memory_bytes_max: soft_limit(&limits, "Max locked memory"),
        open_files_max: soft_limit(&limits, "Max open files"),
        huge_pages: huge_pages.as_deref().and_then(chosen).map(str::to_owned),
        cpus: affinity::allowed_cpus(),
        memory_available_bytes: read("/proc/meminfo").as_deref().and_then(memory_available),
    }
}

/// Makes and drops a ring the way the engine sets its rings up.
///
/// # Errors
///
/// The system's: EPERM when forbidden, ENOSYS without io_uring, EINVAL before Linux 6.0.
pub(crate) fn check_ring() -> io::Result<()> {
    make_ring().map(drop)
}

/// Descriptors this process may have open (soft limit); `None` when it cannot be read.
pub(crate) fn open_files_limit() -> Option<u64> {
    soft_limit(&read("/proc/self/limits")?, "Max open files")
}

fn make_ring() -> io::Result<IoUring> {
    let mut builder = IoUring::<squeue::Entry, cqueue::Entry>::builder();
    builder.setup_single_issuer().setup_coop_taskrun();
    builder.build(8)
}

fn ring_facts() -> RingFacts {
    let mut probe = Probe::new();
    let asked = make_ring().and_then(|ring| ring.submitter().register_probe(&mut probe));
    if let Err(error) = asked {
        let error_code = error.raw_os_error();
        return RingFacts::Refused {
            error_code,
            reason: EngineError::from_ring(error).to_string(),
        };
    }
    let missing: Vec<&'static str> = OPCODES
        .iter()
        .filter(|(code, _)| !probe.is_supported(*code))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() { RingFacts::Usable } else { RingFacts::Incomplete { missing } }
}

/// A small text of the kernel's, without the line end.
fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

/// The soft limit in the line of `/proc/self/limits` that begins with `name`.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// The word in brackets: how the kernel marks the chosen one of several settings.
fn chosen(settings: &str) -> Option<&str> {
    Some(settings.split_once('[')?.1.split_once(']')?.0)
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn memory_available(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Operations the engine uses.
const OPCODES: [(u8, &str); 6] = [
    (opcode::Nop::CODE, "NOP"),
    (opcode::Recv::CODE, "RECV"),
    (opcode::Send::CODE, "SEND"),
    (opcode::Write::CODE, "WRITE"),
    (opcode::Fsync::CODE, "FSYNC"),
    (opcode::Fallocate::CODE, "FALLOCATE"),
];

#[cfg(test)]
mod tests;
