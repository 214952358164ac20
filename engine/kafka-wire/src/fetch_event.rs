//! What the Fetch reader tells its caller: small values, copied with every event; what is large,
//! names and addresses, stays with the reader until it is asked for.

use std::fmt;

#[cfg(doc)]
use crate::fetch_reader::FetchReader;
use crate::partition::{TopicId, TopicName};

/// What came next in a Fetch response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchEvent {
    /// Nothing yet: more bytes are needed.
    NeedMore,
    /// The response begins.
    Head {
        /// How long the broker wants us to wait, milliseconds.
        throttle_ms: u32,
        /// Error of the whole response; 0 for none, and below version 7.
        error_code: i16,
        /// Fetch session, 0 for none.
        session_id: i32,
    },
    /// A partition of [`FetchReader::topic`] begins; its records, if any, are the next bytes.
    Partition(PartitionHead),
    /// The partition of the last head is complete.
    PartitionEnd(PartitionTail),
    /// Where a new leader listens is [`FetchReader::node_endpoint`].
    NodeEndpoint,
    /// The response is complete.
    End,
}

/// What a response says about a partition before its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionHead {
    /// Its index as sent; may be one we did not ask for.
    pub partition: i32,
    /// Protocol error code, 0 for none.
    pub error_code: i16,
    /// High watermark, -1 for unknown.
    pub high_watermark: i64,
    /// Last stable offset, -1 for unknown.
    pub last_stable_offset: i64,
    /// Log start offset, -1 for unknown and below version 5.
    pub log_start_offset: i64,
    /// Bytes of records that follow.
    pub records_bytes: u32,
}

/// What a response says about a partition behind its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionTail {
    /// Where our log leaves the source's, when it does.
    pub diverging_epoch: Option<DivergingEpoch>,
    /// The leader to ask instead, when the broker knows one.
    pub current_leader: Option<CurrentLeader>,
}

/// The largest epoch the source shares with us, and where it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// Source leader epoch, -1 for unknown.
    pub epoch: i32,
    /// One past its last offset at the source, -1 for unknown.
    pub end_offset: i64,
}

/// The leader of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// Broker id, -1 for unknown.
    pub leader_id: i32,
    /// Its epoch, -1 for unknown.
    pub leader_epoch: i32,
}

/// Topic of a partition in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "boxing would allocate on the hot path")]
pub enum FetchedTopic {
    /// By id, from version 13 on.
    Id(TopicId),
    /// By name, below.
    Name(ShortText<{ TopicName::BYTES_MAX }>),
}

/// Where a broker listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// Broker id as sent.
    pub node_id: i32,
    /// Host name or address.
    pub host: ShortText<{ u8::MAX as usize }>,
    /// Port as sent.
    pub port: i32,
}

/// UTF-8 text of at most `MAX` bytes that lies in the value itself; `MAX` is at most 255.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortText<const MAX: usize> {
    bytes: [u8; MAX],
    length: u8,
}

impl PartitionHead {
    /// A place holder until the first partition is read.
    pub(crate) const NONE: Self = Self {
        partition: -1,
        error_code: 0,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        records_bytes: 0,
    };
}

impl PartitionTail {
    /// Nothing to say: what versions below 12 always say.
    pub const NONE: Self = Self { diverging_epoch: None, current_leader: None };
}

impl FetchedTopic {
    /// A place holder until the first topic is read.
    pub(crate) const NONE: Self = Self::Name(ShortText::EMPTY);

    pub(crate) fn from_id(raw: [u8; 16]) -> Option<Self> {
        TopicId::from_wire(raw).map(Self::Id)
    }

    pub(crate) fn from_name(bytes: &[u8]) -> Option<Self> {
        ShortText::parse(bytes).map(Self::Name)
    }
}

impl NodeEndpoint {
    /// A place holder until the first endpoint is read.
    pub(crate) const NONE: Self = Self { node_id: -1, host: ShortText::EMPTY, port: -1 };

    pub(crate) fn new(node_id: i32, host: &[u8], port: i32) -> Option<Self> {
        Some(Self { node_id, host: ShortText::parse(host)?, port })
    }
}

impl<const MAX: usize> ShortText<MAX> {
    const EMPTY: Self = Self { bytes: [0; MAX], length: 0 };

    /// Copies `bytes`, unless they are too many or not UTF-8.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        str::from_utf8(bytes).ok()?;
        let mut text = Self::EMPTY;
        text.length = u8::try_from(bytes.len()).ok()?;
        text.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        str::from_utf8(bytes).expect("checked when it was parsed")
    }
}

impl<const MAX: usize> fmt::Debug for ShortText<MAX> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(out)
    }
}

/// Why bytes are not the Fetch response expected. Positions count from the size prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchReadError {
    /// Negative size, or above the limit.
    #[error("response announces {found} bytes, limit is {frame_bytes_max}")]
    FrameSize {
        /// Size found.
        found: i32,
        /// Limit, in bytes.
        frame_bytes_max: u32,
    },
    /// Not the response to our request.
    #[error("response has correlation id {found}, expected {expected}")]
    CorrelationId {
        /// Of our request.
        expected: i32,
        /// Of the response.
        found: i32,
    },
    /// A field goes on behind the end of the response.
    #[error("field at byte {position} runs past the end of the fetch response")]
    PastFrame {
        /// Where the field, or the bytes it announces, begin.
        position: u64,
    },
    /// A varint that does not end.
    #[error("varint near byte {position} of the fetch response is longer than its type")]
    Varint {
        /// Where the piece with the varint begins.
        position: u64,
    },
    /// A length that cannot be.
    #[error("{field} near byte {position} of the fetch response have length {found}")]
    NegativeLength {
        /// What the length is of.
        field: &'static str,
        /// Length found; -1 is null where null is not allowed.
        found: i32,
        /// Where the piece with the length begins.
        position: u64,
    },
    /// A topic name that is null, too long or not text, or the id that means "none".
    #[error("topic at byte {position} of the fetch response has no legal name or id")]
    Topic {
        /// Where the topic begins.
        position: u64,
    },
    /// A host name that is null, too long or not text.
    #[error("node endpoint at byte {position} of the fetch response has no legal host")]
    Host {
        /// Where the endpoint begins.
        position: u64,
    },
    /// A known tagged field that is too short for what it must hold.
    #[error("tagged field {tag} at byte {position} of the fetch response has only {size} bytes")]
    TaggedField {
        /// Its tag.
        tag: u32,
        /// Its size, in bytes.
        size: u32,
        /// Where it begins.
        position: u64,
    },
    /// The node endpoints do not end where their size says.
    #[error("node endpoints end at byte {position} of the fetch response, expected {expected}")]
    EndpointsEnd {
        /// Where their size says.
        expected: u64,
        /// Where their content says.
        position: u64,
    },
    /// The response is complete before its frame is.
    #[error("fetch response ends at byte {position}, its frame {bytes} bytes later")]
    TrailingBytes {
        /// Bytes behind the end.
        bytes: u32,
        /// Where the response ends.
        position: u64,
    },
}
