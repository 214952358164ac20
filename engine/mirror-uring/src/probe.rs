//! What this machine offers the engine.

use std::fs;
use std::io;

/// Makes and drops a ring the way the engine sets its rings up.
///
/// # Errors
///
/// The system's: EPERM when forbidden, ENOSYS without io_uring, EINVAL before Linux 6.0.
pub(crate) fn check_ring() -> io::Result<()> {
    let mut builder = io_uring::IoUring::<io_uring::squeue::Entry>::builder();
    builder.setup_single_issuer().setup_coop_taskrun();
    builder.build(8).map(drop)
}

/// Descriptors this process may have open (soft limit); `None` when it cannot be read.
pub(crate) fn open_files_limit() -> Option<u64> {
    soft_limit(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// The soft limit in the line of `/proc/self/limits` that begins with `name`.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with(name))?;
    match line[name.len()..].split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}
