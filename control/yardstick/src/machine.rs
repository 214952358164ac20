//! The machine under test: cores, processor time, huge pages, and how noise is told from work.
//!
//! Two things spoil naive figures on virtual machines: the first seconds after an idle spell run
//! at a third of the speed, and processor time goes to nobody we know. So every measurement is
//! preceded by a warm-up on all cores, and a round counts only while [`BusyClock::is_calm_since`]
//! its beginning.

use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memmap2::{Advice, MmapMut};

/// A round is disturbed when more than this share of busy processor time was not ours, and more
/// than [`FOREIGN_CORE_SHARE_MAX`].
pub const FOREIGN_SHARE_MAX: f64 = 0.18;
/// So much of one core's time disturbs nobody, however little of the processors a round uses:
/// beside direct writes of 1.3 GB/s, whose writers take 0.03 to 0.08, up to 0.06 were not ours on a
/// machine at rest. Of what keeps 0.56 of a core busy or more, the other share is more than this.
pub const FOREIGN_CORE_SHARE_MAX: f64 = 0.1;
/// How long every core spins before the first round.
pub const WARM_UP: Duration = Duration::from_secs(4);

/// The two cores a measurement uses; the same one twice on a machine with one.
#[derive(Clone, Copy, Debug)]
pub struct CorePair {
    /// For the sender.
    pub sender: usize,
    /// For what is measured.
    pub receiver: usize,
}

impl CorePair {
    /// The first and the last core this process may use.
    ///
    /// # Errors
    /// When the system does not tell which cores there are.
    pub fn choose() -> Result<Self> {
        let cores = core_affinity::get_core_ids().context("the system lists no cores")?;
        let (first, last) = (cores.first(), cores.last());
        let sender = first.context("no core is allowed")?.id;
        Ok(Self { sender, receiver: last.map_or(sender, |core| core.id) })
    }
}

/// Pins the calling thread; threads it spawns afterwards inherit the core.
///
/// # Errors
/// When the core is not allowed.
pub fn pin(core: usize) -> Result<()> {
    let is_pinned = core_affinity::set_for_current(core_affinity::CoreId { id: core });
    ensure!(is_pinned, "cannot pin a thread to core {core}");
    Ok(())
}

/// Keeps every core busy for `time`, so that the host schedules all of them again.
///
/// # Errors
/// When the system does not tell which cores there are.
pub fn warm_up(time: Duration) -> Result<()> {
    let cores = core_affinity::get_core_ids().context("the system lists no cores")?;
    let until = Instant::now() + time;
    thread::scope(|scope| {
        for core in cores {
            scope.spawn(move || {
                core_affinity::set_for_current(core);
                let mut turns = 0_u64;
                while Instant::now() < until {
                    turns = black_box(turns + 1);
                }
            });
        }
    });
    Ok(())
}

/// Processor time of the calling thread so far.
///
/// # Errors
/// When the kernel keeps no scheduler statistics.
pub fn thread_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")
        .context("processor time of a thread needs /proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(nanos.context("schedstat starts with nanoseconds")?))
}

/// Processor time so far of all threads of this process: the ended ones and the kernel's workers
/// for it are included. Steps of 10 ms.
///
/// # Errors
/// When `/proc` does not have the expected fields.
pub fn process_cpu() -> Result<Duration> {
    Ok(Duration::from_millis(process_ticks("self")? * TICK_MS))
}

/// Processor time so far of all threads of another process, in steps of 10 ms.
///
/// # Errors
/// When there is no such process.
pub fn process_cpu_of(process: u32) -> Result<Duration> {
    Ok(Duration::from_millis(process_ticks(&process.to_string())? * TICK_MS))
}

/// Memory of this process that is in use now, in bytes.
///
/// # Errors
/// When `/proc` does not have the expected fields.
pub fn resident_bytes() -> Result<u64> {
    resident("self")
}

/// Memory of another process that is in use now, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes_of(process: u32) -> Result<u64> {
    resident(&process.to_string())
}

fn resident(process: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.map(str::trim).and_then(|line| line.strip_suffix(" kB"));
    Ok(kib.context("no VmRSS in /proc status")?.parse::<u64>()? * 1024)
}

/// Processor time so far of the threads of this process that are alive and whose name begins so.
///
/// # Errors
/// When the kernel keeps no scheduler statistics.
pub fn threads_cpu(name_start: &str) -> Result<Duration> {
    let mut nanos = 0;
    for entry in fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        // A thread may end while it is looked at.
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        if name.starts_with(name_start) {
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
            nanos += numbers(&text).first().context("schedstat starts with nanoseconds")?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Linux tells processor times in hundredths of a second, whatever its own clock does.
const TICK_MS: u64 = 10;
const TICKS_PER_SECOND: f64 = 100.0;

/// Busy time of the machine and of this process tree, to tell foreign work.
#[derive(Clone, Copy, Debug)]
pub struct BusyClock {
    at: Instant,
    machine_ticks: u64,
    own_ticks: u64,
}

impl BusyClock {
    /// Reads the counters; `children` are processes of ours that work too. Those that have ended
    /// meanwhile count as ours without being named.
    ///
    /// # Errors
    /// When `/proc` does not have the expected fields.
    pub fn read(children: &[u32]) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let fields = numbers(stat.lines().next().context("/proc/stat is empty")?);
        // user nice system idle iowait irq softirq steal
        let at = |index: usize| fields.get(index).copied().unwrap_or(0);
        let machine_ticks = at(0) + at(1) + at(2) + at(5) + at(6) + at(7);
        let mut own_ticks = process_ticks("self")? + ended_children_ticks()?;
        for child in children {
            own_ticks += process_ticks(&child.to_string())?;
        }
        Ok(Self { at: Instant::now(), machine_ticks, own_ticks })
    }

    /// Whether little enough of the busy time since `earlier` was not ours.
    #[must_use]
    pub fn is_calm_since(&self, earlier: &Self) -> bool {
        let busy = self.machine_ticks.saturating_sub(earlier.machine_ticks);
        let own = self.own_ticks.saturating_sub(earlier.own_ticks);
        let foreign = ratio_f64(busy.saturating_sub(own));
        let core = self.at.duration_since(earlier.at).as_secs_f64() * TICKS_PER_SECOND;
        let harmless = (FOREIGN_SHARE_MAX * ratio_f64(busy)).max(FOREIGN_CORE_SHARE_MAX * core);
        foreign <= harmless
    }
}

fn process_ticks(process: &str) -> Result<u64> {
    // utime and stime are fields 14 and 15.
    stat_sum(process, [11, 12])
}

/// Processor time of the children that we have waited for.
fn ended_children_ticks() -> Result<u64> {
    // cutime and cstime follow.
    stat_sum("self", [13, 14])
}

/// Sums fields of `/proc/PROCESS/stat`, counted behind the name.
fn stat_sum(process: &str, fields: [usize; 2]) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("processor time of process {process}"))?;
    // The name in parentheses may hold spaces.
    let behind_name = stat.rsplit_once(')').context("no name in /proc stat")?.1;
    let told: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |index: usize| told.get(index).and_then(|field| field.parse::<u64>().ok());
    fields.into_iter().map(|index| ticks(index).context("too few fields in /proc stat")).sum()
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|field| field.parse().ok()).collect()
}

/// Buffers of [`HugeBuffers::CHUNK_BYTES`] in huge pages, where the system grants them.
#[derive(Debug)]
pub struct HugeBuffers {
    mapping: MmapMut,
    start: usize,
    count: usize,
}

impl HugeBuffers {
    /// Bytes of each buffer.
    pub const CHUNK_BYTES: usize = 1 << 20;
    const PAGE_BYTES: usize = 2 << 20;

    /// Maps and touches `count` buffers.
    ///
    /// # Errors
    /// When the system has no memory.
    pub fn new(count: usize) -> Result<Self> {
        let mut mapping = MmapMut::map_anon(count * Self::CHUNK_BYTES + 2 * Self::PAGE_BYTES)?;
        // Without huge pages the figures are lower, not wrong; `doctor` says how to get them.
        let _ = mapping.advise(Advice::HugePage);
        let address = mapping.as_ptr().addr();
        let start = address.next_multiple_of(Self::PAGE_BYTES) - address;
        for (index, byte) in mapping.iter_mut().enumerate() {
            *byte = index.to_le_bytes()[0].wrapping_mul(31) ^ index.to_le_bytes()[1];
        }
        Ok(Self { mapping, start, count })
    }

    /// The buffers, each 1 MiB aligned.
    pub fn chunks_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let bytes = self.count * Self::CHUNK_BYTES;
        self.mapping[self.start..self.start + bytes].chunks_exact_mut(Self::CHUNK_BYTES)
    }
}

/// A count as a floating-point number, for ratios only.
#[must_use]
pub fn ratio_f64(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests;
