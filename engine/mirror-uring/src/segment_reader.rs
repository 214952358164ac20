//! Records for readers, from the disk through a ring of its own, so that no thread waits for the
//! disk. They are read past the page cache: nobody's catching up drives out what others read, and
//! where memory is scarce or new to the machine, filling the page cache costs more than the disk.
//!
//! ```text
//!  readers' threads                      one thread
//!  SegmentReader::read -- bounded -->  [ a read per free buffer ] <--> its ring
//!  ReadBytes dropped ---------------->   the buffer is free again
//! ```
//! Memory is [`READ_BUFFERS`] buffers, whoever reads; who finds none waits in order.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use mirror_shard::buffer_pool::{BufferLease, ShardBuffers};
use mirror_shard::limits::{DIRECT_ALIGNMENT, RECORD_BUFFER_BYTES, ShardLimits};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::engine_error::EngineError;
use crate::ring::{InFlight, Range};
use crate::slab::Slab;
use crate::{probe, shard_thread};

/// Buffers of all readers together, a MiB each.
pub const READ_BUFFERS: u32 = 32;

/// Reads ranges of files, for any number of threads; ends when it is dropped.
#[derive(Debug)]
pub struct SegmentReader {
    /// `None` only while it is being dropped.
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// Bytes that were read; their buffer is free again when this is dropped.
#[derive(Debug)]
pub struct ReadBytes {
    /// `None` only while it is being dropped.
    lease: Option<BufferLease>,
    start: usize,
    end: usize,
    home: mpsc::UnboundedSender<BufferLease>,
}

#[derive(Debug)]
struct Order {
    file: Arc<File>,
    position: u64,
    bytes: u32,
    answer: oneshot::Sender<io::Result<ReadBytes>>,
}

impl SegmentReader {
    /// Starts the thread and maps its buffers.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn start() -> Result<Self, EngineError> {
        probe::check_ring().map_err(EngineError::from_ring)?;
        let (orders, inbox) = mpsc::channel(ORDERS_WAITING_MAX);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let body = move || match prepare() {
            Ok(prepared) => {
                drop(ready.send(Ok(())));
                prepared.work(inbox);
            }
            // The starter waits for this answer, so it is there to hear it.
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("segment-reader".to_owned()).spawn(body);
        let thread = thread.map_err(EngineError::from_ring)?;
        is_ready.recv().unwrap_or(Err(EngineError::ShardPanicked { shard: 0 }))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Reads at `position`, up to `bytes`; fewer come at the end of a buffer or of the file.
    ///
    /// # Errors
    /// The system's.
    pub async fn read(&self, file: &Arc<File>, position: u64, bytes: u32) -> io::Result<ReadBytes> {
        let (answer, read) = oneshot::channel();
        let order = Order { file: Arc::clone(file), position, bytes, answer };
        let orders = self.orders.as_ref().expect("taken only in drop");
        let ended = || io::Error::other("the segment reader has ended");
        orders.send(order).await.map_err(|_| ended())?;
        read.await.map_err(|_| ended())?
    }
}

impl Drop for SegmentReader {
    fn drop(&mut self) {
        // A closed queue is the order to end.
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("bug: the segment reader panicked");
        }
    }
}

impl Deref for ReadBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let lease = self.lease.as_ref().expect("taken only in drop");
        &lease.bytes()[self.start..self.end]
    }
}

impl Drop for ReadBytes {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            // When the reader has ended, it has leaked the memory rather than pull it away.
            let _ = self.home.send(lease);
        }
    }
}

struct Prepared {
    slab: Slab,
    buffers: ShardBuffers,
    runtime: tokio_uring::Runtime,
}

fn prepare() -> Result<Prepared, EngineError> {
    let limits = ShardLimits {
        record_buffer_count: READ_BUFFERS,
        connection_count_max: 1,
        ..ShardLimits::default()
    };
    let bytes = limits.slab_bytes();
    let mapped = Slab::new(&limits);
    let (slab, buffers) = mapped.map_err(|source| EngineError::Slab { shard: 0, bytes, source })?;
    let runtime = shard_thread::build_runtime().map_err(EngineError::from_ring)?;
    Ok(Prepared { slab, buffers, runtime })
}

impl Prepared {
    fn work(self, inbox: mpsc::Receiver<Order>) {
        let Self { slab, buffers, runtime } = self;
        let ShardBuffers { record, frame } = buffers;
        let record = runtime.block_on(async { tokio_uring::spawn(serve(inbox, record)).await });
        let record = record.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        // The ring goes before the memory it was given.
        drop(runtime);
        if let Err(missing) = slab.release(ShardBuffers { record, frame }) {
            tracing::warn!(%missing, "readers hold buffers at the end: their memory is leaked");
        }
    }
}

/// Carries orders out as buffers allow; returns the buffers that are home at the end.
async fn serve(mut inbox: mpsc::Receiver<Order>, mut free: Vec<BufferLease>) -> Vec<BufferLease> {
    let count = free.len();
    let (home, mut returned) = mpsc::unbounded_channel();
    let mut files = OpenFiles::default();
    let slots = Rc::new(Semaphore::new(READS_IN_FLIGHT_MAX));
    loop {
        tokio::select! {
            lease = returned.recv() => free.extend(lease),
            order = inbox.recv(), if !free.is_empty() => match (order, free.pop()) {
                (Some(order), Some(lease)) => {
                    let file = files.open(&order.file);
                    let place = Place { lease, home: home.clone(), slots: Rc::clone(&slots) };
                    tokio_uring::spawn(carry_out(order, file, place));
                }
                (_, lease) => {
                    free.extend(lease);
                    break;
                }
            },
        }
    }
    while free.len() < count
        && let Ok(Some(lease)) = timeout(LAST_BUFFERS_WAIT, returned.recv()).await
    {
        free.push(lease);
    }
    free
}

/// What a read works with.
struct Place {
    lease: BufferLease,
    home: mpsc::UnboundedSender<BufferLease>,
    slots: Rc<Semaphore>,
}

async fn carry_out(order: Order, file: io::Result<Rc<File>>, place: Place) {
    let Order { position, bytes, answer, .. } = order;
    let Place { lease, home, slots } = place;
    let mut read = ReadBytes { lease: Some(lease), start: 0, end: 0, home };
    let _slot = slots.acquire().await.expect("never closed");
    let result = match file {
        Ok(file) => read.fill(&file, position, bytes).await,
        Err(error) => Err(error),
    };
    // Nobody waits any more when the connection is gone: the buffer goes home.
    let _ = answer.send(result.map(|()| read));
}

impl ReadBytes {
    /// Reads the blocks that hold the range; a direct read begins and ends at block borders.
    async fn fill(&mut self, file: &Rc<File>, position: u64, bytes: u32) -> io::Result<()> {
        let alignment = u64::from(DIRECT_ALIGNMENT);
        let lead = u32::try_from(position % alignment).expect("below the alignment");
        let wanted = bytes.min(RECORD_BUFFER_BYTES - lead);
        let end = (lead + wanted).next_multiple_of(DIRECT_ALIGNMENT);
        let lease = self.lease.take().expect("leased until dropped");
        let mut read =
            InFlight::read(file, lease, Range { start: 0, end }, position - u64::from(lead));
        let done = poll_fn(|context| read.poll(context)).await;
        self.lease = done.lease;
        // A short read is the end of the file.
        let filled = done.result?.min(lead + wanted);
        if filled <= lead {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.start = usize::try_from(lead).expect("usize holds 32 bits");
        self.end = usize::try_from(filled).expect("usize holds 32 bits");
        Ok(())
    }
}

/// The files read last, opened as they are to be read.
#[derive(Default)]
struct OpenFiles {
    /// The readers' file and ours, the one used last behind.
    open: Vec<(Weak<File>, Rc<File>)>,
}

impl OpenFiles {
    fn open(&mut self, file: &Arc<File>) -> io::Result<Rc<File>> {
        let is_it = |(of, _): &(Weak<File>, Rc<File>)| of.as_ptr() == Arc::as_ptr(file);
        let opened = match self.open.iter().position(is_it) {
            Some(place) => self.open.remove(place).1,
            None => Rc::new(open_again(file)?),
        };
        // A file that nobody holds any more may be deleted: it must not be kept from that.
        self.open.retain(|(of, _)| of.strong_count() > 0);
        if self.open.len() >= OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push((Arc::downgrade(file), Rc::clone(&opened)));
        Ok(opened)
    }
}

/// Opens the same file once more; past the page cache where the file system can do that.
fn open_again(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path);
    match direct {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => File::open(&path),
        opened => opened,
    }
}

/// Reads that the disk has at once: few, so that the engine's writes do not wait behind them.
const READS_IN_FLIGHT_MAX: usize = 4;
/// Reads that may wait for a buffer.
const ORDERS_WAITING_MAX: usize = 1024;
const OPEN_FILES_MAX: usize = 64;
/// How long the end waits for each buffer that a reader holds.
const LAST_BUFFERS_WAIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
