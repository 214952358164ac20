//! Identity of topics, partitions and brokers.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Identity of a topic (KIP-516): 16 bytes; all zero means "none" and cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId([u8; 16]);

impl TopicId {
    /// Parses an id read from the wire, where all zero means "none".
    #[must_use]
    pub const fn from_wire(raw: [u8; 16]) -> Option<Self> {
        if u128::from_be_bytes(raw) == 0 { None } else { Some(Self(raw)) }
    }

    /// Parses Kafka's text form: 22 characters of URL-safe base64 without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Self::from_wire(bytes.try_into().ok()?)
    }

    /// The bytes as written on the wire.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TopicId({self})")
    }
}

/// Name of a topic: 1 to 249 characters of `[A-Za-z0-9._-]`, not `.` and not `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Longest legal name, in bytes (`Topic.MAX_NAME_LENGTH`).
    pub const BYTES_MAX: usize = 249;

    /// Checks `text` against Kafka's rule for topic names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        (fits && text != "." && text != ".." && text.bytes().all(legal)).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Index of a partition in its topic; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIndex(i32);

impl PartitionIndex {
    /// Parses an index read from the wire or from a directory name.
    #[must_use]
    pub const fn from_wire(raw: i32) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for PartitionIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A partition by topic name: how people and directories call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: TopicName,
    /// Index of the partition.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// Parses a partition's directory name, split at its last `-`
    /// (`LocalLog.parseTopicPartitionName`).
    #[must_use]
    pub fn parse_directory(name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        if partition.is_empty() || !partition.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            topic: TopicName::parse(topic)?,
            partition: PartitionIndex::from_wire(partition.parse().ok()?)?,
        })
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by topic id: its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Index of the partition.
    pub partition: PartitionIndex,
}

/// Id of a broker within its cluster; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(i32);

impl BrokerId {
    /// Parses an id read from the wire, where -1 means "none".
    #[must_use]
    pub const fn from_wire(raw: i32) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A source cluster of this process: its own number, of no meaning on the wire.
///
/// Several sources may have brokers with equal ids; this tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

impl SourceId {
    /// The source that its host calls `number`.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The host's number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A broker of one of several source clusters: its identity in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceBroker {
    /// The cluster it belongs to.
    pub source: SourceId,
    /// Its id within that cluster.
    pub broker: BrokerId,
}

impl fmt::Display for SourceBroker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of source {}", self.broker, self.source)
    }
}
