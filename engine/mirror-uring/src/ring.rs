//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! The only place that builds ring entries: each operation owns its descriptor and its buffer
//! until the kernel has answered.
//!
//! tokio-uring's op hook takes any entry as safe, although the kernel will follow the raw
//! pointers in it. This module closes that hole: an entry is made only together with the
//! [`Held`] that keeps its pointers valid, and only one-shot opcodes are used (the hook panics on
//! entries that answer more than once).

#![allow(unsafe_code, reason = "gives the kernel pointers into leased buffers")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{cqueue, opcode, squeue};
use mirror_shard::buffer_pool::BufferLease;
use mirror_shard::limits::RECORD_BUFFER_BYTES;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

/// An operation the kernel has; a future, polled until it is [`Done`].
///
/// Dropping it early is sound (the runtime keeps what it holds until the kernel answers) but
/// loses the buffer, so nobody does.
pub(crate) struct InFlight(InFlightOneshot<Held, Release>);

/// What came of an operation.
#[derive(Debug)]
pub(crate) struct Done {
    /// The kernel's answer: usually a count of bytes.
    pub(crate) result: io::Result<u32>,
    /// The buffer, when the operation had one.
    pub(crate) lease: Option<BufferLease>,
}

/// A range of a buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// First byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
}

/// What a write has to do with the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageCache {
    /// Nothing: the file is open for direct writes.
    Bypassed,
    /// It takes the bytes, and they stay there while memory lasts.
    Kept,
    /// They go from there once they are on the disk (`RWF_DONTCACHE`; ext4 takes it since Linux
    /// 6.17).
    Dropped,
}

impl InFlight {
    /// Receives into `range` of the buffer.
    ///
    /// Records are received until the range is full: a completion for every piece the network
    /// happens to deliver would cost more than the pieces themselves.
    pub(crate) fn receive(socket: &Rc<OwnedFd>, lease: BufferLease, range: Range) -> Self {
        let is_for_records = lease.bytes().len() == RECORD_BUFFER_BYTES as usize;
        let parked = ParkedLease::new(lease);
        let (address, bytes) = parked.window(range);
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), address, bytes)
            .flags(if is_for_records { libc::MSG_WAITALL } else { 0 })
            .build();
        Self::submit(Some(as_fd(socket)), Some(parked), entry)
    }

    /// Sends from `range` of the buffer; may send less.
    pub(crate) fn send(socket: &Rc<OwnedFd>, lease: BufferLease, range: Range) -> Self {
        let parked = ParkedLease::new(lease);
        let (address, bytes) = parked.window(range);
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), address, bytes)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        Self::submit(Some(as_fd(socket)), Some(parked), entry)
    }

    /// Writes `range` of the buffer at `position` of the file; may write less.
    pub(crate) fn write(
        file: &Rc<File>,
        lease: BufferLease,
        range: Range,
        position: u64,
        page_cache: PageCache,
    ) -> Self {
        let parked = ParkedLease::new(lease);
        let (address, bytes) = parked.window(range);
        let entry = opcode::Write::new(Fd(file.as_raw_fd()), address, bytes)
            .offset(position)
            .rw_flags(match page_cache {
                PageCache::Bypassed | PageCache::Kept => 0,
                PageCache::Dropped => libc::RWF_DONTCACHE,
            })
            .build();
        Self::submit(Some(as_fd(file)), Some(parked), entry)
    }

    /// Reads into `range` of the buffer from `position` of the file; may read less.
    pub(crate) fn read(file: &Rc<File>, lease: BufferLease, range: Range, position: u64) -> Self {
        let parked = ParkedLease::new(lease);
        let (address, bytes) = parked.window(range);
        let entry =
            opcode::Read::new(Fd(file.as_raw_fd()), address, bytes).offset(position).build();
        Self::submit(Some(as_fd(file)), Some(parked), entry)
    }

    /// Makes a file's bytes durable, and what is needed to read them.
    pub(crate) fn sync_data(file: &Rc<File>) -> Self {
        let entry = opcode::Fsync::new(Fd(file.as_raw_fd())).flags(FsyncFlags::DATASYNC).build();
        Self::submit(Some(as_fd(file)), None, entry)
    }

    /// Makes everything about a file durable; for a directory, the names in it.
    pub(crate) fn sync_all(file: &Rc<File>) -> Self {
        let entry = opcode::Fsync::new(Fd(file.as_raw_fd())).build();
        Self::submit(Some(as_fd(file)), None, entry)
    }

    /// Reserves disk space and extends the file to `position + bytes` if it is shorter.
    pub(crate) fn allocate(file: &Rc<File>, position: u64, bytes: u64) -> Self {
        let entry =
            opcode::Fallocate::new(Fd(file.as_raw_fd()), bytes).offset(position).mode(0).build();
        Self::submit(Some(as_fd(file)), None, entry)
    }

    /// Does nothing; done once the ring has turned around.
    pub(crate) fn turn() -> Self {
        Self::submit(None, None, opcode::Nop::new().build())
    }

    fn submit(fd: Option<Rc<dyn AsFd>>, parked: Option<ParkedLease>, entry: squeue::Entry) -> Self {
        let held = Held { _fd: fd, parked };
        Self(UnsubmittedOneshot::new(held, Release, entry).submit())
    }

    /// Ready once the kernel has answered; wakes through `context` otherwise.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Done> {
        Pin::new(&mut self.0).poll(context)
    }
}

fn as_fd<F: AsFd + 'static>(fd: &Rc<F>) -> Rc<dyn AsFd> {
    Rc::<F>::clone(fd)
}

/// What an operation keeps alive until the kernel is done with it.
struct Held {
    _fd: Option<Rc<dyn AsFd>>,
    parked: Option<ParkedLease>,
}

/// Turns the kernel's answer back into a buffer and a result.
struct Release;

impl OneshotOutputTransform for Release {
    type Output = Done;
    type StoredData = Held;

    fn transform_oneshot_output(self, held: Held, answer: cqueue::Entry) -> Done {
        let code = answer.result();
        let result = u32::try_from(code).map_err(|_| io::Error::from_raw_os_error(-code));
        Done { result, lease: held.parked.map(ParkedLease::unpark) }
    }
}

/// A lease while the kernel uses its memory: an address, no reference.
///
/// A `&mut` that lies around while the kernel writes behind it would claim an exclusiveness that
/// is not there; so the reference is taken apart on the way in and made anew on the way out.
struct ParkedLease {
    index: u32,
    bytes: NonNull<[u8]>,
}

impl ParkedLease {
    fn new(mut lease: BufferLease) -> Self {
        Self { index: lease.index(), bytes: NonNull::from(lease.bytes_mut()) }
    }

    /// Address and length of `range`.
    fn window(&self, range: Range) -> (*mut u8, u32) {
        let start = usize::try_from(range.start).expect("usize holds 32 bits");
        let end = usize::try_from(range.end).expect("usize holds 32 bits");
        assert!(start < end, "an empty range {start}..{end} would be answered like a closed peer");
        assert!(end <= self.bytes.len(), "range {start}..{end} ends outside the buffer");
        (self.bytes.cast::<u8>().as_ptr().wrapping_add(start), range.end - range.start)
    }

    fn unpark(self) -> BufferLease {
        let mut bytes = self.bytes;
        // SAFETY: the pointer came from the exclusive `'static` slice of the lease given to
        // `new`, which ended there (`BufferLease` has no other copy and no destructor). The
        // kernel has answered, so nobody else uses the memory; `self` is consumed, so this
        // happens once.
        let slice: &'static mut [u8] = unsafe { bytes.as_mut() };
        BufferLease::new(self.index, slice)
    }
}
