//! One shard's memory: a huge-page mapping, made once, cut into the buffers of its pool.

#![allow(unsafe_code, reason = "maps memory and hands out exclusive slices of it")]

use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use mirror_shard::buffer_pool::{BufferLease, ShardBuffers};
use mirror_shard::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};

/// The mapping behind a shard's buffers; unmapped only when every buffer is back.
///
/// ```text
/// | record 0 | record 1 | ... | frame 0 | frame 1 | ... |   base is 2 MiB aligned
/// ```
///
/// Buffers are numbered in this order. Dropping a slab without [`Slab::release`] leaks the
/// mapping: a lease may still be alive, and a leak is the only harmless answer.
#[derive(Debug)]
pub struct Slab {
    mapping: Mapping,
    record_count: u32,
    frame_count: u32,
}

impl Slab {
    /// Maps, backs with huge pages where the system grants them, touches every page, cuts.
    ///
    /// Call it on the thread that will use it, so that the pages are near its core.
    ///
    /// # Errors
    ///
    /// The system's error when it has no address space or memory left.
    pub fn new(limits: &ShardLimits) -> io::Result<(Self, ShardBuffers)> {
        let record_count = limits.slab_record_count();
        let frame_count = limits.frame_buffer_count();
        let record_bytes = widen(record_count) * widen(RECORD_BUFFER_BYTES);
        let frame_bytes = widen(frame_count) * widen(FRAME_BUFFER_BYTES);
        let mapping = Mapping::new(record_bytes + frame_bytes)?;
        let slab = Self { mapping, record_count, frame_count };
        let buffers = ShardBuffers {
            record: (0..record_count).map(|index| slab.lease(index)).collect(),
            frame: (0..frame_count).map(|index| slab.lease(record_count + index)).collect(),
        };
        Ok((slab, buffers))
    }

    /// Bytes of all buffers together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.mapping.bytes
    }

    /// Bytes of the mapping that the kernel backs with huge pages right now.
    ///
    /// # Errors
    ///
    /// When `/proc/self/smaps` cannot be read.
    pub fn huge_page_bytes(&self) -> io::Result<usize> {
        let start = self.mapping.base.as_ptr().addr();
        let smaps = fs::read_to_string("/proc/self/smaps")?;
        Ok(anon_huge_bytes(&smaps, start, start + self.mapping.bytes).min(self.mapping.bytes))
    }

    /// Takes every buffer back and unmaps.
    ///
    /// # Errors
    ///
    /// [`BuffersMissing`] when some are not home; the mapping is leaked then, because whoever
    /// holds them (the kernel included) may still touch them.
    pub fn release(self, buffers: ShardBuffers) -> Result<(), BuffersMissing> {
        let expected = widen(self.record_count) + widen(self.frame_count);
        let mut is_home = vec![false; expected];
        for lease in buffers.record.iter().chain(&buffers.frame) {
            let index = widen(lease.index());
            assert!(index < expected, "buffer {index} is not of this slab of {expected}");
            assert!(!is_home[index], "buffer {index} came back twice");
            let address = self.place(lease.index()).0;
            assert!(ptr::eq(lease.bytes().as_ptr(), address), "buffer {index} is another slab's");
            is_home[index] = true;
        }
        let missing = is_home.iter().filter(|home| !**home).count();
        if missing > 0 {
            return Err(BuffersMissing { missing, expected });
        }
        drop(buffers);
        self.mapping.unmap();
        Ok(())
    }

    /// Address and length of buffer number `index`.
    fn place(&self, index: u32) -> (*mut u8, usize) {
        let record = widen(RECORD_BUFFER_BYTES);
        let frame = widen(FRAME_BUFFER_BYTES);
        let (offset, bytes) = if index < self.record_count {
            (widen(index) * record, record)
        } else {
            let before = widen(self.record_count) * record;
            (before + widen(index - self.record_count) * frame, frame)
        };
        assert!(offset + bytes <= self.mapping.bytes, "buffer {index} ends outside the slab");
        (self.mapping.base.as_ptr().wrapping_add(offset), bytes)
    }

    /// Makes the lease of buffer `index`; called once per buffer, by `new`.
    fn lease(&self, index: u32) -> BufferLease {
        let (address, bytes) = self.place(index);
        // SAFETY: `place` keeps the range inside the mapping, which is readable, writable and
        // zeroed. Ranges of different indexes are disjoint and `new` makes each lease once, so
        // the slice is exclusive. `'static` holds because the mapping goes away only in
        // `release`, which takes every lease back first.
        let slice = unsafe { std::slice::from_raw_parts_mut(address, bytes) };
        BufferLease::new(index, slice)
    }
}

/// Some of a slab's buffers did not come back; their memory is leaked on purpose.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{missing} of {expected} buffers are not home")]
pub struct BuffersMissing {
    /// Buffers that are still out.
    pub missing: usize,
    /// Buffers of the slab.
    pub expected: usize,
}

/// An anonymous private mapping with a 2 MiB aligned start.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    whole: NonNull<libc::c_void>,
    whole_bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        let whole_bytes = bytes.next_multiple_of(HUGE_PAGE_BYTES) + HUGE_PAGE_BYTES;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no
        // memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), whole_bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let whole = NonNull::new(start).expect("a successful mmap never returns null");
        let skip = start.addr().next_multiple_of(HUGE_PAGE_BYTES) - start.addr();
        let base = start.cast::<u8>().wrapping_add(skip);
        // SAFETY: the range lies within the mapping just made; MADV_HUGEPAGE changes how it is
        // backed and never its contents. A refusal (no THP in this kernel) costs speed only.
        unsafe { libc::madvise(base.cast(), whole_bytes - HUGE_PAGE_BYTES, libc::MADV_HUGEPAGE) };
        // SAFETY: `bytes` from `base` lie within the mapping, which is writable and known to
        // nobody else. Writing faults every page in, so the hot path never waits for one.
        unsafe { ptr::write_bytes(base, 0, bytes) };
        let base = NonNull::new(base).expect("an aligned address inside a mapping is not null");
        Ok(Self { base, bytes, whole, whole_bytes })
    }

    fn unmap(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the range is exactly what mmap returned, unmapped once because `self` is
        // consumed; `Slab::release` has shown that no lease into it is left.
        let result = unsafe { libc::munmap(this.whole.as_ptr(), this.whole_bytes) };
        assert!(result == 0, "munmap of a whole mapping of ours cannot fail");
    }
}

/// Sums `AnonHugePages` of the areas of `smaps` that overlap `start..end`, in bytes.
fn anon_huge_bytes(smaps: &str, start: usize, end: usize) -> usize {
    let mut is_ours = false;
    let mut kib = 0;
    for line in smaps.lines() {
        if let Some((from, to)) = area_bounds(line) {
            is_ours = from < end && start < to;
        } else if is_ours && let Some(rest) = line.strip_prefix("AnonHugePages:") {
            kib += rest.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        }
    }
    kib * 1024
}

/// Bounds of a memory area, when `line` is the head of one (`7f00-7f10 rw-p ...`).
fn area_bounds(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

fn widen(count: u32) -> usize {
    usize::try_from(count).expect("usize holds 32 bits on every target with io_uring")
}

/// Bytes of a transparent huge page on x86-64 and on arm64 with 4 KiB base pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests;
