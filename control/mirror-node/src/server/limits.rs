//! How big anything may get that a client decides about.

use std::time::Duration;

use kafka_wire::request::REQUEST_BYTES_MAX;

use crate::batch_records::DECOMPRESSED_BYTES_MAX;
use crate::mirror_orders::ORDERS_MAX;

/// Limits of the protocol server; the defaults are Kafka's where Kafka has one.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once; more are closed as they come (`max.connections`).
    pub connections_max: usize,
    /// Bytes of one request (`socket.request.max.bytes`).
    pub request_bytes_max: u32,
    /// Bytes of all requests being received or answered, the first [`SMALL_REQUEST_BYTES`] of
    /// each not counted (`queued.max.request.bytes`). One request of any legal size always has
    /// room: with less than [`Self::request_bytes_max`] here, that is the limit.
    pub requests_bytes_max: usize,
    /// Bytes of the bodies being decoded or answered, those of Produce and those up to
    /// [`SMALL_BODY_BYTES`] not counted; one [`ADMINISTRATION_SHARE`]th is for administration.
    /// Decoded, a body takes up to fifty times its size.
    pub decoding_bytes_max: usize,
    /// Bytes that the records of one Produce request may have once decompressed, all batches
    /// together; what comes behind is refused as too large.
    pub produce_decompressed_bytes_max: u64,
    /// Bytes of all answers that wait in memory to be sent, those up to [`SMALL_ANSWER_BYTES`] not
    /// counted. A larger answer that finds no room ends its connection.
    pub answers_bytes_max: usize,
    /// A connection without a request for so long is closed (`connections.max.idle.ms`).
    pub idle_max: Duration,
    /// A request must be complete so long after its first byte. Records must make progress within
    /// it; what an answer has in memory must be sent within it and a second more for each
    /// [`SENT_PER_SECOND_MIN`] bytes.
    pub stall_max: Duration,
    /// Bytes of one fetch response (`fetch.max.bytes` of the broker).
    pub fetch_bytes_max: u32,
    /// Segment and index files open for reading at once.
    pub open_files_max: usize,
    /// Segment files beyond these that answers being sent hold; fetches find no more records at so
    /// many.
    pub sent_files_max: usize,
    /// Fetch sessions at once (`max.incremental.fetch.session.cache.slots`).
    pub fetch_sessions_max: usize,
    /// Partitions of all fetch sessions together.
    pub fetch_session_partitions_max: usize,
    /// Partitions of all fetches that are being looked for, those of fetches of up to
    /// [`FEW_FETCH_PARTITIONS`] not counted.
    pub fetch_partitions_max: usize,
    /// Topics that one CreateTopics request may name.
    pub created_topics_max: usize,
    /// Partitions in one answer to DescribeTopicPartitions
    /// (`max.request.partition.size.limit`).
    pub described_partitions_max: i32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        DEFAULTS
    }
}

const DEFAULTS: ServerLimits = ServerLimits {
    connections_max: 10_000,
    request_bytes_max: 100 << 20,
    requests_bytes_max: 512 << 20,
    decoding_bytes_max: 16 << 20,
    produce_decompressed_bytes_max: 1 << 30,
    answers_bytes_max: 256 << 20,
    idle_max: Duration::from_secs(600),
    stall_max: Duration::from_secs(30),
    fetch_bytes_max: 55 << 20,
    open_files_max: 512,
    sent_files_max: 8_192,
    fetch_sessions_max: 1_000,
    fetch_session_partitions_max: 1 << 20,
    fetch_partitions_max: 1 << 20,
    created_topics_max: 10_000,
    described_partitions_max: 2_000,
};

/// Requests, and the beginnings of larger ones, up to this many bytes are received without asking
/// for room.
pub const SMALL_REQUEST_BYTES: usize = 64 << 10;

/// Bodies up to this many bytes are decoded without asking for room.
pub const SMALL_BODY_BYTES: usize = 4 << 10;

/// The part of [`ServerLimits::decoding_bytes_max`] that is for administration, as a divisor.
pub const ADMINISTRATION_SHARE: usize = 4;

/// Answers with up to this many bytes in memory are sent without asking for room.
pub const SMALL_ANSWER_BYTES: usize = 16 << 10;

/// Produce requests worked on at one time. Each takes a blocking thread, as all work below but
/// that of groups does.
pub const PRODUCES_AT_ONCE: usize = 64;

/// Requests for offsets by timestamp worked on at one time.
pub const OFFSET_SEARCHES_AT_ONCE: usize = 32;

/// Requests that change topics, or look at their directories, worked on at one time: most of
/// them wait for each other.
pub const ADMINISTRATION_AT_ONCE: usize = 8;

/// Requests that look at whole groups worked on at one time: their answers may be large, and are
/// made before their size is known.
pub const GROUP_LOOKS_AT_ONCE: usize = 16;

/// Requests about mirrors worked on at one time, other than starts. They wait for the control
/// loop, with a deadline, and take no thread.
pub const MIRROR_REQUESTS_AT_ONCE: usize = 32;

/// Requests to start mirroring worked on at one time: they may wait for the source.
pub const MIRROR_STARTS_AT_ONCE: usize = 8;

/// Bytes of all texts of a request to start mirroring, and one for each: it may be held for
/// minutes.
pub const MIRROR_START_BYTES_MAX: usize = 256 << 10;

/// Mirrors whose settings one request may ask for or change.
pub const CONFIGURED_MIRRORS_MAX: usize = 100;

/// Threads that may wait for the disk; fetches have those that the work above leaves.
pub const BLOCKING_THREADS_MAX: usize = 512;

/// A fetch of more partitions asks for room, and does not wait long for records.
pub const FEW_FETCH_PARTITIONS: usize = 256;

/// How long a fetch of many partitions waits for records.
pub const MANY_PARTITIONS_WAIT_MAX: Duration = Duration::from_millis(500);

/// Bytes of an answer in memory that a client must take in a second.
pub const SENT_PER_SECOND_MIN: u32 = 256 << 10;

/// Segment files that one answer is sent from: partitions behind them have their turn with the next
/// fetch.
pub const ANSWER_FILES_MAX: usize = 256;

const _: () = {
    let limits = DEFAULTS;
    let request_bytes_max = limits.request_bytes_max as usize;
    // Small requests are received while a large one is.
    assert!(SMALL_REQUEST_BYTES < request_bytes_max);
    assert!(request_bytes_max * 2 <= limits.requests_bytes_max);
    assert!(SMALL_BODY_BYTES < SMALL_REQUEST_BYTES);
    // The largest body that is decoded has room beside those of administration.
    assert!(
        REQUEST_BYTES_MAX
            <= limits.decoding_bytes_max - limits.decoding_bytes_max / ADMINISTRATION_SHARE
    );
    // One full batch of every request fits its budget.
    assert!(DECOMPRESSED_BYTES_MAX <= limits.produce_decompressed_bytes_max);
    assert!(SMALL_ANSWER_BYTES < limits.answers_bytes_max);
    assert!(ANSWER_FILES_MAX <= limits.sent_files_max);
    assert!(FEW_FETCH_PARTITIONS <= limits.fetch_partitions_max);
    assert!(limits.fetch_sessions_max <= limits.fetch_session_partitions_max);
    let work = PRODUCES_AT_ONCE + OFFSET_SEARCHES_AT_ONCE + ADMINISTRATION_AT_ONCE;
    assert!(work * 2 <= BLOCKING_THREADS_MAX);
    // Requests that wait for a source leave room for those that administer.
    let starts = MIRROR_STARTS_AT_ONCE * MIRROR_START_BYTES_MAX;
    assert!(starts <= limits.decoding_bytes_max / ADMINISTRATION_SHARE / 2);
    assert!(MIRROR_STARTS_AT_ONCE + MIRROR_REQUESTS_AT_ONCE < ORDERS_MAX);
};
