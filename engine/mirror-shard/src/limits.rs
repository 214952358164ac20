//! How big anything in a shard can get, and how the limits relate.

/// Direct writes start, end and lie in memory at multiples of this many bytes.
pub const DIRECT_ALIGNMENT: u32 = 4096;
/// Bytes of a record buffer: what one direct write carries.
pub const RECORD_BUFFER_BYTES: u32 = 1 << 20;
/// Bytes of a frame buffer: a request, a piece of a response's headers, index entries.
pub const FRAME_BUFFER_BYTES: u32 = 64 << 10;

const _: () = assert!(RECORD_BUFFER_BYTES.is_multiple_of(DIRECT_ALIGNMENT));
const _: () = assert!(FRAME_BUFFER_BYTES.is_multiple_of(DIRECT_ALIGNMENT));

/// Sizes of one shard, derived from the host's configuration once, at start.
#[derive(Clone, Copy, Debug)]
pub struct ShardLimits {
    /// Record buffers in the slab.
    pub record_buffer_count: u32,
    /// Connections to source brokers, all brokers together.
    pub connection_count_max: u32,
    /// Connections to one source broker.
    pub connections_per_broker: u32,
    /// Fetch requests in flight on one connection, each with a fetch session of its own.
    pub fetches_per_connection: u32,
    /// Partitions.
    pub partition_count_max: u32,
    /// Direct writes in flight, all partitions together.
    pub writes_in_flight_max: u32,
    /// Bytes asked for in one Fetch response.
    pub fetch_bytes_max: u32,
    /// Bytes asked for per partition of a Fetch response.
    pub partition_fetch_bytes_max: u32,
    /// How long a source may hold a Fetch that has nothing to say, milliseconds.
    pub fetch_wait_ms: u32,
    /// A request without an answer for this long ends its connection, milliseconds.
    pub request_timeout_ms: u64,
    /// First pause after a failure, milliseconds; doubles up to `backoff_max_ms`, with jitter.
    pub backoff_ms: u64,
    /// Longest pause after failures, milliseconds.
    pub backoff_max_ms: u64,
    /// Sync a segment after this many bytes written.
    pub sync_bytes: u64,
    /// Sync written bytes at the latest after this time, milliseconds.
    pub sync_interval_ms: u64,
    /// Flush a buffer that waits to be filled at the latest after this time, milliseconds.
    pub linger_ms: u64,
    /// Reserve this much disk space ahead of direct writes; 0 never reserves.
    pub allocate_bytes: u64,
    /// Use direct writes for partitions that catch up.
    pub direct_writes: bool,
}

impl ShardLimits {
    /// Frame buffers a shard needs: receive and send per connection, and a few for indexes.
    #[must_use]
    pub const fn frame_buffer_count(&self) -> u32 {
        2 * self.connection_count_max + 8
    }
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            record_buffer_count: 48,
            connection_count_max: 32,
            connections_per_broker: 4,
            fetches_per_connection: 1,
            partition_count_max: 100_000,
            writes_in_flight_max: 16,
            fetch_bytes_max: 64 << 20,
            partition_fetch_bytes_max: 1 << 20,
            fetch_wait_ms: 500,
            request_timeout_ms: 30_000,
            backoff_ms: 50,
            backoff_max_ms: 5_000,
            sync_bytes: 64 << 20,
            sync_interval_ms: 1_000,
            linger_ms: 20,
            allocate_bytes: 64 << 20,
            direct_writes: true,
        }
    }
}
