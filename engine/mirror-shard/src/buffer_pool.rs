//! The fixed set of buffers a shard works with, and who may take how many.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! A batch is written only when its last byte has arrived and its CRC is right, so a connection
//! in the middle of a batch holds buffers that nothing but more buffers can free. To keep
//! connections from starving each other to death, enough buffers stay free for one per open
//! connection and one largest batch; only one connection at a time may dip into the latter.

use std::fmt;

use crate::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES};

/// Exclusive right to one buffer of the slab; given back, never copied.
///
/// The memory belongs to whoever made the pool (the edge's slab, or a simulator); a lease is the
/// only way to it, so a buffer that is part of an operation cannot be touched by anybody else.
pub struct BufferLease {
    bytes: &'static mut [u8],
    index: u32,
}

impl BufferLease {
    /// Wraps buffer number `index` of a slab.
    #[must_use]
    pub fn new(index: u32, bytes: &'static mut [u8]) -> Self {
        Self { bytes, index }
    }

    /// Number of the buffer in its slab.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The buffer's memory.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The buffer's memory, writable.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// Gives the memory back to whoever made the pool.
    #[must_use]
    pub fn into_bytes(self) -> &'static mut [u8] {
        self.bytes
    }
}

impl fmt::Debug for BufferLease {
    /// Names the buffer; its megabyte of contents would drown everything else.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "BufferLease({} of {} bytes)", self.index, self.bytes.len())
    }
}

/// The buffers a shard is born with.
#[derive(Debug, Default)]
pub struct ShardBuffers {
    /// Buffers records are received into and written from; all of one size.
    pub record: Vec<BufferLease>,
    /// Buffers for requests, response headers and index entries; all of one size.
    pub frame: Vec<BufferLease>,
}

/// Free buffers, and the rule that keeps unfinished batches from taking them all.
#[derive(Debug)]
pub(crate) struct BufferPool {
    free: ShardBuffers,
    record_count: u32,
    frame_count: u32,
    /// Buffers of the largest batch, wherever it begins.
    largest_batch_count: usize,
    /// Connection that may dip into what is kept for a largest batch.
    large_batch_holder: Option<usize>,
}

impl BufferPool {
    pub(crate) fn new(buffers: ShardBuffers, largest_batch_count: u32) -> Self {
        assert!(buffers.record.iter().all(|b| b.bytes().len() == RECORD_BUFFER_BYTES as usize));
        assert!(buffers.frame.iter().all(|b| b.bytes().len() == FRAME_BUFFER_BYTES as usize));
        let record_count = u32::try_from(buffers.record.len()).expect("a slab counts in u32");
        let frame_count = u32::try_from(buffers.frame.len()).expect("a slab counts in u32");
        let largest_batch_count = largest_batch_count as usize;
        let large_batch_holder = None;
        Self { free: buffers, record_count, frame_count, largest_batch_count, large_batch_holder }
    }

    /// A record buffer for connection `connection`, which holds `unfinished` already, while
    /// `open_connections` may want their first one.
    pub(crate) fn take_record(
        &mut self,
        connection: usize,
        unfinished: usize,
        open_connections: usize,
    ) -> Option<BufferLease> {
        let kept_free = open_connections + self.largest_batch_count;
        if unfinished > 0 && self.free.record.len() <= kept_free {
            if self.large_batch_holder.is_some_and(|holder| holder != connection) {
                return None;
            }
            self.large_batch_holder = Some(connection);
        }
        self.free.record.pop()
    }

    pub(crate) fn give_record(&mut self, lease: BufferLease) {
        assert!(self.free.record.len() < self.record_count as usize);
        assert_eq!(lease.bytes().len(), RECORD_BUFFER_BYTES as usize);
        self.free.record.push(lease);
    }

    /// The connection finished (or gave up) the batch it held many buffers for.
    pub(crate) fn end_large_batch(&mut self, connection: usize) {
        if self.large_batch_holder == Some(connection) {
            self.large_batch_holder = None;
        }
    }

    pub(crate) fn take_frame(&mut self) -> Option<BufferLease> {
        self.free.frame.pop()
    }

    pub(crate) fn give_frame(&mut self, lease: BufferLease) {
        assert!(self.free.frame.len() < self.frame_count as usize);
        assert_eq!(lease.bytes().len(), FRAME_BUFFER_BYTES as usize);
        self.free.frame.push(lease);
    }

    pub(crate) fn free_record_count(&self) -> usize {
        self.free.record.len()
    }

    pub(crate) fn all_home(&self) -> bool {
        self.free.record.len() == self.record_count as usize
            && self.free.frame.len() == self.frame_count as usize
    }

    pub(crate) fn into_buffers(self) -> ShardBuffers {
        self.free
    }
}
