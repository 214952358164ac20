//! How big anything in a shard can get, and how the limits relate.

/// Direct writes start, end and lie in memory at multiples of this many bytes.
pub const DIRECT_ALIGNMENT: u32 = 4096;
/// Bytes of a record buffer: what one direct write carries.
pub const RECORD_BUFFER_BYTES: u32 = 1 << 20;
/// Bytes of a frame buffer: a request, a piece of a response's headers, index entries.
pub const FRAME_BUFFER_BYTES: u32 = 64 << 10;

/// Shortest aligned stretch worth a direct write of its own.
pub const DIRECT_BYTES_MIN: u32 = 256 << 10;
/// Records shorter than this are received through the frame buffer and copied: one receive for
/// header and records costs less than the copy.
pub const DIRECT_RECEIVE_BYTES_MIN: u32 = 16 << 10;
/// Most bytes received straight into a chunk at a time: little enough to be walked while they are
/// in the cache, and to arrive on a slow link before the request counts as unanswered.
pub const DIRECT_RECEIVE_BYTES_MAX: u32 = 256 << 10;
/// Bytes received at a time while the header of a large response is awaited.
pub const BULK_HEAD_BYTES: u32 = 4096;
/// A response larger than this makes the next one be expected large too: its head is received
/// alone, the records in place. Below, one receive more costs more than the copy.
pub const BULK_RESPONSE_BYTES: u32 = 128 << 10;
/// Index bytes of one partition kept in memory before they are written.
pub const INDEX_PENDING_BYTES_MAX: usize = 16 << 10;
/// Partitions asked for in one OffsetForLeaderEpoch or ListOffsets request; fewer when their names
/// are long, so that request and answer fit a frame buffer.
pub const EPOCH_QUESTIONS_MAX: usize = 500;
/// Bytes that one of those partitions takes in a request or an answer, beside its topic's name.
pub const EPOCH_QUESTION_BYTES: usize = 64;
/// A connection that is not up after this long is tried again, milliseconds: of one begun while the
/// network was cut, the system tries again later and later.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How often partitions with something unfinished are looked at, milliseconds.
pub const UPKEEP_INTERVAL_MS: u64 = 10;
/// Reports left undelivered above which progress is kept back and coalesced.
pub const REPORTS_BACKLOG_MAX: usize = 4096;
/// First reservation of disk space ahead of direct writes; grows with the segment, so that a
/// thousand short logs do not reserve many times what they hold.
pub const ALLOCATE_BYTES_MIN: u64 = 4 << 20;
/// Disk space is reserved when less than this is left, or less than the segment has already: a
/// write that gets there first waits for the file's lock.
pub const ALLOCATE_LEAD_BYTES_MAX: u64 = 16 << 20;

const _: () = assert!(
    EPOCH_QUESTION_BYTES + kafka_wire::partition::TopicName::BYTES_MAX
        < FRAME_BUFFER_BYTES as usize / 2
);
const _: () = assert!(BULK_HEAD_BYTES < FRAME_BUFFER_BYTES);
const _: () = assert!(INDEX_PENDING_BYTES_MAX < FRAME_BUFFER_BYTES as usize);
const _: () = assert!(RECORD_BUFFER_BYTES.is_multiple_of(DIRECT_ALIGNMENT));
const _: () = assert!(FRAME_BUFFER_BYTES.is_multiple_of(DIRECT_ALIGNMENT));

/// Removals and pauses wait this long for records on their way from a source that went silent,
/// milliseconds; then they end the connection.
pub const QUIESCE_PATIENCE_MS: u64 = 1_000;

/// Time without throttled records that counts for later ones, milliseconds.
pub const THROTTLE_CREDIT_MS: u64 = 1_000;
/// Which part of a second's bytes a response for throttled partitions may have.
pub const THROTTLED_RESPONSE_PART: u64 = 10;
/// Least bytes asked for in a response for throttled partitions.
pub const THROTTLED_RESPONSE_BYTES_MIN: u32 = 64 << 10;
/// Throttled partitions without news are asked for this often while their connection has others
/// to ask for, milliseconds.
pub const THROTTLED_QUIET_PAUSE_MS: u64 = 100;

/// How one source is asked and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Bytes asked for in one Fetch response.
    pub fetch_bytes_max: u32,
    /// Bytes asked for per partition of a Fetch response at first; more over a long link.
    pub partition_fetch_bytes: u32,
    /// Most bytes asked for per partition of a Fetch response, whatever the link.
    pub partition_fetch_bytes_max: u32,
    /// How long the source may hold a Fetch that has nothing to say, milliseconds.
    pub fetch_wait_ms: u32,
    /// A request without an answer for this long ends its connection, milliseconds.
    pub request_timeout_ms: u64,
    /// First pause after a failure, milliseconds; doubles up to `backoff_max_ms`, with jitter.
    pub backoff_ms: u64,
    /// Longest pause after failures, milliseconds.
    pub backoff_max_ms: u64,
}

/// Sizes of one shard, derived from the host's configuration once, at start.
#[derive(Clone, Copy, Debug)]
pub struct ShardLimits {
    /// Record buffers in the slab.
    pub record_buffer_count: u32,
    /// Record buffers beside those, in which the records written last stay for readers of the
    /// log; 0 where nobody reads it.
    pub recent_buffer_count: u32,
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
    /// Bytes asked for per partition of a Fetch response at first; more over a long link.
    pub partition_fetch_bytes: u32,
    /// Most bytes asked for per partition of a Fetch response, whatever the link.
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
    /// Reserve at most this much disk space ahead of direct writes; 0 never reserves.
    pub allocate_bytes_max: u64,
    /// Largest record batch taken; a larger one fails its partition.
    pub batch_bytes_max: u32,
    /// Use direct writes for partitions that catch up.
    pub direct_writes: bool,
    /// Write new segments into the files of retired ones: faster, but whoever still holds a
    /// retired file open then reads another segment's bytes. Off where others read the log.
    pub reuse_files: bool,
}

impl ShardLimits {
    /// Frame buffers a shard needs: receive and send per connection, and a few for indexes.
    #[must_use]
    pub const fn frame_buffer_count(&self) -> u32 {
        2 * self.connection_count_max + 8
    }

    /// Record buffers of the slab, those that records stay in for readers included.
    #[must_use]
    pub const fn slab_record_count(&self) -> u32 {
        self.record_buffer_count + self.recent_buffer_count
    }

    /// Bytes of all buffers of a shard.
    #[must_use]
    pub fn slab_bytes(&self) -> u64 {
        u64::from(self.slab_record_count()) * u64::from(RECORD_BUFFER_BYTES)
            + u64::from(self.frame_buffer_count()) * u64::from(FRAME_BUFFER_BYTES)
    }

    /// Record buffers that the largest batch takes, wherever in a buffer it begins.
    #[must_use]
    pub const fn largest_batch_count(&self) -> u32 {
        self.batch_bytes_max.div_ceil(RECORD_BUFFER_BYTES) + 1
    }

    /// Fetch sessions on each connection.
    #[must_use]
    pub(crate) const fn lane_count(&self) -> u32 {
        if self.fetches_per_connection == 0 { 1 } else { self.fetches_per_connection }
    }

    /// What counts for a source without limits of its own.
    #[must_use]
    pub const fn source(&self) -> SourceLimits {
        SourceLimits {
            fetch_bytes_max: self.fetch_bytes_max,
            partition_fetch_bytes: self.partition_fetch_bytes,
            partition_fetch_bytes_max: self.partition_fetch_bytes_max,
            fetch_wait_ms: self.fetch_wait_ms,
            request_timeout_ms: self.request_timeout_ms,
            backoff_ms: self.backoff_ms,
            backoff_max_ms: self.backoff_max_ms,
        }
    }

    /// Checks how the limits relate; the text names what to change.
    ///
    /// # Errors
    /// Tells the first relation that does not hold.
    pub fn check(&self) -> Result<(), String> {
        let least = self.connection_count_max + self.largest_batch_count() + 1;
        if self.connection_count_max == 0 || self.connections_per_broker == 0 {
            return Err("a shard needs at least one connection".to_owned());
        }
        if self.record_buffer_count < least {
            return Err(format!(
                "slab of {} buffers is too small: {} connections and batches of {} bytes need {}",
                self.record_buffer_count, self.connection_count_max, self.batch_bytes_max, least
            ));
        }
        Ok(())
    }
}

impl ShardLimits {
    /// Limits that suit most machines and sources.
    pub const STANDARD: Self = Self {
        record_buffer_count: 96,
        recent_buffer_count: 0,
        connection_count_max: 64,
        connections_per_broker: 4,
        fetches_per_connection: 1,
        partition_count_max: 100_000,
        writes_in_flight_max: 16,
        fetch_bytes_max: 64 << 20,
        partition_fetch_bytes: 1 << 20,
        partition_fetch_bytes_max: 64 << 20,
        fetch_wait_ms: 500,
        request_timeout_ms: 30_000,
        backoff_ms: 50,
        backoff_max_ms: 5_000,
        sync_bytes: 64 << 20,
        sync_interval_ms: 1_000,
        linger_ms: 20,
        allocate_bytes_max: 512 << 20,
        batch_bytes_max: 16 << 20,
        direct_writes: true,
        reuse_files: true,
    };
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self::STANDARD
    }
}
