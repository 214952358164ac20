//! What a shard counts; the edge copies the numbers out for whoever wants to see them.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.

/// Counters of one shard since it started. All only grow, but for the last two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardCounters {
    /// Bytes received from source brokers.
    pub bytes_received: u64,
    /// Bytes of record batches written to segment files.
    pub bytes_written: u64,
    /// Record batches accepted: header walked, CRC right, offsets rising.
    pub batches_accepted: u64,
    /// Fetch requests sent.
    pub fetch_requests: u64,
    /// Fetch responses read to their end.
    pub fetch_responses: u64,
    /// Batches dropped because they arrived damaged.
    pub batches_corrupt: u64,
    /// Bytes received and thrown away: partial last batches, answers no longer wanted.
    pub bytes_discarded: u64,
    /// Connections that came up.
    pub connections_opened: u64,
    /// Connections that ended for any reason but our own stop.
    pub connections_lost: u64,
    /// Milliseconds source brokers asked us to wait.
    pub throttled_ms: u64,
    /// Times a connection waited for a record buffer.
    pub buffer_waits: u64,
    /// Direct writes submitted.
    pub writes_direct: u64,
    /// Buffered writes submitted.
    pub writes_buffered: u64,
    /// Syncs completed.
    pub syncs: u64,
    /// Truncations of a partition's log.
    pub truncations: u64,
    /// Writes in flight now.
    pub writes_in_flight: u64,
    /// Record buffers free now.
    pub record_buffers_free: u64,
}
