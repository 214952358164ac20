//! What a process costs from one moment on: processor time, and the most memory it had in use.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::machine::process_cpu_of;

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub struct ProcessWatch {
    process: u32,
    cpu_before: Duration,
}

impl ProcessWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When there is no such process, or it is not ours.
    pub fn begin(process: u32) -> Result<Self> {
        // From now on the kernel's maximum is that of the time we watch.
        fs::write(format!("/proc/{process}/clear_refs"), FORGET_RESIDENT_MAX)
            .with_context(|| format!("forgetting the peak memory of process {process}"))?;
        Ok(Self { process, cpu_before: process_cpu_of(process)? })
    }

    /// Processor time of all its threads since then, in steps of 10 ms.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(process_cpu_of(self.process)?.saturating_sub(self.cpu_before))
    }

    /// Most memory that it had in use since then, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes_max(&self) -> Result<u64> {
        resident_bytes_max_of(self.process)
    }
}

/// Most memory that a process had in use since it began, or since somebody had the kernel forget.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes_max_of(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.map(str::trim).and_then(|line| line.strip_suffix(" kB"));
    Ok(kib.context("no VmHWM in /proc status")?.parse::<u64>()? * 1024)
}

/// What `clear_refs` takes for this.
const FORGET_RESIDENT_MAX: &str = "5";

#[cfg(test)]
mod tests;
