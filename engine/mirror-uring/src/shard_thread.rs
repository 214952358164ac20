//! The life of one shard's thread: pin, map, run, give everything back.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Sender as ReadySender;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mirror_shard::bridge::{EngineCommand, EngineReport};
use mirror_shard::counters::ShardCounters;
use mirror_shard::limits::ShardLimits;
use mirror_shard::shard::Shard;
use tokio::sync::mpsc::Receiver;

use crate::affinity::{self, CpuMask};
use crate::driver::{self, DriverEnds};
use crate::engine_error::EngineError;
use crate::executor::{Executor, ExecutorConfig};
use crate::op_table::OPS_IN_FLIGHT_MAX;
use crate::recent_records::KeptBuffers;
use crate::reports::ReportSender;
use crate::slab::Slab;

/// What a shard's thread is started with.
#[derive(Debug)]
pub(crate) struct ShardThread {
    pub(crate) index: u32,
    pub(crate) core: usize,
    pub(crate) data_dir: PathBuf,
    pub(crate) limits: ShardLimits,
    pub(crate) seed: u64,
    pub(crate) open_files_max: usize,
    pub(crate) commands: Receiver<EngineCommand>,
    pub(crate) reports: ReportSender,
    pub(crate) counters: Arc<Mutex<ShardCounters>>,
    pub(crate) started: Instant,
}

/// What the starter of a shard hears once: where it keeps what it wrote last, or why it does not
/// run.
pub(crate) type Ready = Result<Arc<KeptBuffers>, EngineError>;

/// Starts the thread; `ready` hears once whether the shard runs.
pub(crate) fn spawn(body: ShardThread, ready: ReadySender<Ready>) -> io::Result<JoinHandle<()>> {
    let name = format!("ringmirror-{}", body.index);
    thread::Builder::new().name(name).spawn(move || body.run(&ready))
}

impl ShardThread {
    fn run(self, ready: &ReadySender<Ready>) {
        match self.prepare() {
            // The starter waits for this answer, so it is there to hear it.
            Err(error) => drop(ready.send(Err(error))),
            Ok(prepared) => {
                drop(ready.send(Ok(Arc::clone(&prepared.recent))));
                self.work(prepared);
            }
        }
    }

    fn prepare(&self) -> Result<Prepared, EngineError> {
        let shard = usize::try_from(self.index).expect("usize holds 32 bits");
        // Taken before pinning, so that helper threads are not bound to our core.
        let helpers_mask =
            CpuMask::current().map_err(|source| EngineError::Thread { shard, source })?;
        if !affinity::pin(self.core) {
            tracing::warn!(shard, core = self.core, "cannot pin the shard to its core");
        }
        let (slab, mut buffers) = Slab::new(&self.limits).map_err(|source| EngineError::Slab {
            shard,
            bytes: self.limits.slab_bytes(),
            source,
        })?;
        warn_of_small_pages(shard, &slab);
        let own_count = buffers.record.len() - recent_count(&self.limits);
        let recent = Arc::new(KeptBuffers::new(buffers.record.split_off(own_count)));
        let shard = Shard::new(self.index, self.limits, self.seed ^ u64::from(self.index), buffers);
        let runtime = build_runtime().map_err(EngineError::from_ring)?;
        Ok(Prepared { shard, slab, runtime, recent, helpers_mask })
    }

    fn work(self, prepared: Prepared) {
        let Prepared { shard, slab, runtime, recent, helpers_mask } = prepared;
        let mut obituary =
            Obituary { shard: self.index, reports: self.reports.clone(), is_needed: true };
        let config = ExecutorConfig {
            data_dir: self.data_dir,
            connection_count_max: usize::try_from(self.limits.connection_count_max)
                .expect("usize holds 32 bits"),
            open_files_max: self.open_files_max,
            reuse_files: self.limits.reuse_files,
            recent: Arc::clone(&recent),
            helpers_mask,
        };
        let ends = DriverEnds {
            commands: self.commands,
            reports: self.reports,
            counters: self.counters,
            started: self.started,
        };
        // A spawned task is woken on its own thread without a system call; the future given to
        // `block_on` is not.
        let drive = async { driver::drive(shard, Executor::new(config), ends).await };
        let shard = runtime.block_on(async { tokio_uring::spawn(drive).await });
        let shard = shard.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        obituary.is_needed = false;
        // The ring goes before the memory it was given.
        drop(runtime);
        let mut kept = recent.take_back();
        let held_by_readers = recent_count(&self.limits) - kept.len();
        let mut buffers = shard.into_buffers();
        buffers.record.append(&mut kept);
        match slab.release(buffers) {
            Ok(()) => {}
            Err(missing) if missing.missing <= held_by_readers => {
                tracing::warn!(shard = self.index, %missing, "readers hold them: memory leaked");
            }
            Err(missing) => {
                tracing::error!(shard = self.index, %missing, "bug: buffers lost, memory leaked");
            }
        }
    }
}

/// Buffers in which records stay for readers.
fn recent_count(limits: &ShardLimits) -> usize {
    usize::try_from(limits.recent_buffer_count).expect("usize holds 32 bits")
}

struct Prepared {
    shard: Shard,
    slab: Slab,
    runtime: tokio_uring::Runtime,
    recent: Arc<KeptBuffers>,
    helpers_mask: CpuMask,
}

/// Reports an unclean end if the thread unwinds.
struct Obituary {
    shard: u32,
    reports: ReportSender,
    is_needed: bool,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if self.is_needed {
            self.reports.send(EngineReport::Stopped { shard: self.shard, clean: false });
        }
    }
}

/// A runtime as measured best; DEFER_TASKRUN hangs tokio-uring and must not be set.
pub(crate) fn build_runtime() -> io::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    let completions = u32::try_from(OPS_IN_FLIGHT_MAX).expect("a small constant");
    ring.setup_cqsize(completions.max(4 * RING_ENTRIES));
    ring.setup_single_issuer();
    ring.setup_coop_taskrun();
    let mut builder = tokio_uring::builder();
    builder.entries(RING_ENTRIES).uring_builder(&ring);
    tokio_uring::Runtime::new(&builder)
}

/// Small pages cost a third of the disk's rate or more; people should hear of it.
fn warn_of_small_pages(shard: usize, slab: &Slab) {
    match slab.huge_page_bytes() {
        Ok(huge_bytes) if huge_bytes < slab.bytes() / 2 => tracing::warn!(
            shard,
            huge_bytes,
            bytes = slab.bytes(),
            "buffers are not on huge pages: set /sys/kernel/mm/transparent_hugepage/enabled \
             to madvise"
        ),
        _ => {}
    }
}

/// Submission queue entries; more than a step starts.
const RING_ENTRIES: u32 = 256;
