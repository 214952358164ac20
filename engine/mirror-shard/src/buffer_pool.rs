//! The fixed set of buffers a shard works with, and who holds how many.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.

/// Exclusive right to one buffer of the slab; given back, never copied.
///
/// The memory belongs to whoever made the pool (the edge's slab, or a simulator); a lease is the
/// only way to it, so a buffer that is part of an operation cannot be touched by anybody else.
#[derive(Debug)]
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
}

/// The buffers a shard is born with.
#[derive(Debug, Default)]
pub struct ShardBuffers {
    /// Buffers records are received into and written from; all of one size.
    pub record: Vec<BufferLease>,
    /// Buffers for requests, response headers and index entries; all of one size.
    pub frame: Vec<BufferLease>,
}
