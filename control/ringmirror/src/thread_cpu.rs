//! CPU time of this process, the demo's source apart from the rest.

use std::fs;
use std::io;

/// CPU seconds since the process began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuSplit {
    /// All threads but the source's, those that have ended included.
    pub(crate) mirror_seconds: f64,
    /// The source's threads that are alive.
    pub(crate) source_seconds: f64,
}

impl CpuSplit {
    /// Reads the kernel's accounts (`/proc/self/stat` and its tasks).
    pub(crate) fn now() -> io::Result<Self> {
        let (_, all) = parse(&fs::read_to_string("/proc/self/stat")?)?;
        let mut source = 0;
        for entry in fs::read_dir("/proc/self/task")? {
            // A thread may end while its account is read; it is in the sum of all then.
            let Ok(text) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            let (name, ticks) = parse(&text)?;
            if SOURCE_THREADS.contains(&name.as_str()) {
                source += ticks;
            }
        }
        let mirror_seconds = seconds(all.saturating_sub(source));
        Ok(Self { mirror_seconds, source_seconds: seconds(source) })
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            mirror_seconds: (self.mirror_seconds - earlier.mirror_seconds).max(0.0),
            source_seconds: (self.source_seconds - earlier.source_seconds).max(0.0),
        }
    }
}

/// Name and CPU ticks of a `stat` line: fields 2, 14 and 15; the name may hold anything.
fn parse(text: &str) -> io::Result<(String, u64)> {
    let read = || {
        let (head, rest) = text.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let mut fields = rest.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some((name.to_owned(), user + system))
    };
    read().ok_or_else(|| io::Error::other("/proc/self/stat is not in the form of proc(5)"))
}

fn seconds(ticks: u64) -> f64 {
    f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) / TICKS_PER_SECOND
}

/// `USER_HZ`: 100 on every Linux architecture this runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// The threads of a node that mirrors nothing.
const SOURCE_THREADS: [&str; 3] = [crate::demo::SOURCE_THREAD, "server", "segment-reader"];

#[cfg(test)]
mod tests;
