//! The machine in a few words: what figures are worth nothing without.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mirror_uring::probe::MachineFacts;
use serde::Serialize;

use super::scratch::Place;
use crate::doctor::{self, Finding};

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Hardware {
    /// Model of the processor, as the kernel tells it.
    pub(super) processor: Option<String>,
    /// CPUs this process may use.
    pub(super) cpus: Vec<usize>,
    /// All memory.
    pub(super) memory_bytes: Option<u64>,
    /// What `doctor` finds about the machine: kernel, io_uring, huge pages, limits.
    pub(super) findings: Vec<Finding>,
}

/// Where the disk was measured.
#[derive(Debug, Serialize)]
pub(super) struct DirectoryReport {
    /// The directory.
    pub(super) path: String,
    /// Type of its file system.
    pub(super) file_system: Option<String>,
    /// The device it lies on, with its model where there is one.
    pub(super) disk: Option<String>,
    /// Free bytes before.
    pub(super) free_bytes: u64,
    /// Unit of direct writes.
    pub(super) direct_write_bytes_min: Option<usize>,
}

impl Hardware {
    pub(super) fn new(facts: &MachineFacts) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            processor: processor(&cpuinfo),
            cpus: facts.cpus.clone(),
            memory_bytes: memory_bytes(&meminfo),
            findings: doctor::machine_findings(facts),
        }
    }

    /// In lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let processor = self.processor.as_deref().unwrap_or("a processor without a name");
        let memory = match self.memory_bytes {
            Some(bytes) => format!("{} memory", indicatif::BinaryBytes(bytes)),
            None => "memory unknown".to_owned(),
        };
        let count = self.cpus.len();
        let cores = if count == 1 { "1 core".to_owned() } else { format!("{count} cores") };
        let told = |subject: &&Finding| TOLD.contains(&subject.subject);
        let findings = self.findings.iter().filter(told);
        let findings = findings.map(|each| format!("{} {}", each.subject, each.found));
        vec![format!("{processor}, {cores}, {memory}"), findings.collect::<Vec<_>>().join("; ")]
    }
}

impl DirectoryReport {
    pub(super) fn new(path: &Path, place: &Place) -> Self {
        Self {
            path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string(),
            file_system: place.facts.file_system.clone(),
            disk: disk_of(path),
            free_bytes: place.free_bytes,
            direct_write_bytes_min: place.facts.direct_write_bytes_min,
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{}: {} on {}, {} free",
            self.path,
            self.file_system.as_deref().unwrap_or("an unknown file system"),
            self.disk.as_deref().unwrap_or("an unknown disk"),
            indicatif::BinaryBytes(self.free_bytes),
        )
    }
}

fn processor(cpuinfo: &str) -> Option<String> {
    // Arm tells no model names.
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Name and model of the block device that holds `path`; file systems over several have none.
fn disk_of(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let place = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let name = place.file_name()?.to_string_lossy().into_owned();
    // A partition's directory lies in that of its disk.
    let whole = if place.join("partition").exists() { place.parent()? } else { &place };
    let read = |file: &str| Some(fs::read_to_string(whole.join(file)).ok()?.trim().to_owned());
    let kind = match read("queue/rotational").as_deref() {
        Some("1") => "rotating or virtual",
        Some("0") => "solid state",
        _ => "of a kind unknown",
    };
    let model = read("device/model").map_or_else(String::new, |model| format!("{model}, "));
    Some(format!("{name} ({model}{kind})"))
}

/// What belongs to a figure; the rest is in the JSON.
const TOLD: [&str; 4] = ["kernel", "io_uring", "locked memory", "transparent huge pages"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_and_memory_are_read_where_the_kernel_tells_them() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU 9 @ 3 GHz\nflags\t: x\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("Fast CPU 9 @ 3 GHz"));
        assert_eq!(processor("processor\t: 0\n"), None);
        assert_eq!(memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(memory_bytes("MemTotal: many\n"), None);
    }
}
