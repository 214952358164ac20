//! Writes a Fetch response, versions 4 to 17, with holes where the records go.
//!
//! A server sends records from its files without reading them. So this writes everything else of
//! the frame, once, into one buffer, and says where it has to be cut:
//!
//! ```text
//!   bytes[..holes[0].at]             records of partition 0
//!   bytes[holes[0].at..holes[1].at]  records of partition 1   ... and the rest of bytes
//! ```
//!
//! The size in front of the frame counts the holes. `kafka-protocol` writes the same bytes.

use bytes::Bytes;

use crate::byte_cursor::push_unsigned_varint;
use crate::fetch_event::{CurrentLeader, DivergingEpoch};
use crate::fetch_request::{
    VERSION_FLEXIBLE, VERSION_MAX, VERSION_MIN, VERSION_SESSIONS, VERSION_TOPIC_IDS,
};
use crate::message::SIZE_BYTES;

/// What a response says before its partitions.
#[derive(Clone, Copy, Debug)]
pub struct FetchResponseHead {
    /// Version of the request.
    pub api_version: i16,
    /// Number of the request.
    pub correlation_id: i32,
    /// How long the client is held back, milliseconds.
    pub throttle_ms: i32,
    /// Error of the whole response; not written below version 7.
    pub error_code: i16,
    /// Fetch session, 0 for none; not written below version 7.
    pub session_id: i32,
}

/// A topic and what is answered about its partitions.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredTopic<'a> {
    /// As the request named it.
    pub key: TopicKey<'a>,
    /// Its partitions, in the order to be written.
    pub partitions: &'a [AnsweredPartition<'a>],
}

/// Name or id of a topic as a request has it; either may belong to no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKey<'a> {
    /// Below version 13.
    Name(&'a str),
    /// From version 13 on.
    Id([u8; 16]),
}

/// What is answered about a partition, but for its records.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredPartition<'a> {
    /// Its index as the request has it.
    pub partition_index: i32,
    /// Protocol error code, 0 for none.
    pub error_code: i16,
    /// High watermark, -1 for unknown.
    pub high_watermark: i64,
    /// Last stable offset, -1 for unknown.
    pub last_stable_offset: i64,
    /// Log start offset, -1 for unknown; not written below version 5.
    pub log_start_offset: i64,
    /// Where the client's log leaves ours; not written below version 12.
    pub diverging_epoch: Option<DivergingEpoch>,
    /// The leader to ask instead; not written below version 12.
    pub current_leader: Option<CurrentLeader>,
    /// Aborted transactions in the records; `None` for a client that reads uncommitted.
    pub aborted_transactions: Option<&'a [AbortedTransaction]>,
    /// Broker to read this partition from, -1 for this one; not written below version 11.
    pub preferred_read_replica: i32,
    /// Bytes of records that go into this partition's hole.
    pub records_bytes: u32,
}

/// An aborted transaction some of whose records are in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Its first offset in the partition.
    pub first_offset: i64,
}

/// Where a broker listens that is named as a current leader; not written below version 16.
#[derive(Clone, Copy, Debug)]
pub struct LeaderEndpoint<'a> {
    /// The broker.
    pub node_id: i32,
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<&'a str>,
}

/// A response frame without its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponseFrame {
    /// The frame from its size on.
    pub bytes: Bytes,
    /// One hole for every partition, in order, those without records too.
    pub holes: Vec<RecordsHole>,
}

/// Where records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsHole {
    /// Place in [`FetchResponseFrame::bytes`] that follows the records.
    pub at: usize,
    /// Bytes that must be sent there.
    pub records_bytes: u32,
}

/// Writes a response.
///
/// # Errors
/// When the version is not 4 to 17, a topic is not named as the version wants it, or the frame
/// with its records is larger than its size can say.
pub fn write_fetch_response(
    head: &FetchResponseHead,
    topics: &[AnsweredTopic<'_>],
    endpoints: &[LeaderEndpoint<'_>],
) -> Result<FetchResponseFrame, FetchResponseError> {
    let version = head.api_version;
    if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
        return Err(FetchResponseError::Version { version });
    }
    let partition_count = topics.iter().map(|topic| topic.partitions.len()).sum();
    let capacity = HEAD_BYTES + topics.len() * TOPIC_BYTES + partition_count * PARTITION_BYTES;
    let mut writer = Writer {
        version,
        out: Vec::with_capacity(capacity),
        holes: Vec::with_capacity(partition_count),
    };
    writer.head(head);
    writer.count(topics.len())?;
    for topic in topics {
        writer.topic(topic)?;
    }
    writer.endpoints(endpoints)?;
    writer.finish()
}

struct Writer {
    version: i16,
    out: Vec<u8>,
    holes: Vec<RecordsHole>,
}

impl Writer {
    fn head(&mut self, head: &FetchResponseHead) {
        self.out.extend(NO_SIZE_YET);
        self.out.extend(head.correlation_id.to_be_bytes());
        if self.is_flexible() {
            push_unsigned_varint(&mut self.out, NO_TAGS);
        }
        self.out.extend(head.throttle_ms.to_be_bytes());
        if self.version >= VERSION_SESSIONS {
            self.out.extend(head.error_code.to_be_bytes());
            self.out.extend(head.session_id.to_be_bytes());
        }
    }

    fn topic(&mut self, topic: &AnsweredTopic<'_>) -> Result<(), FetchResponseError> {
        match topic.key {
            TopicKey::Id(id) if self.version >= VERSION_TOPIC_IDS => self.out.extend(id),
            TopicKey::Name(name) if self.version < VERSION_TOPIC_IDS => self.text(name)?,
            _ => return Err(FetchResponseError::TopicKey { version: self.version }),
        }
        self.count(topic.partitions.len())?;
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        self.no_tags();
        Ok(())
    }

    fn partition(&mut self, partition: &AnsweredPartition<'_>) -> Result<(), FetchResponseError> {
        self.out.extend(partition.partition_index.to_be_bytes());
        self.out.extend(partition.error_code.to_be_bytes());
        self.out.extend(partition.high_watermark.to_be_bytes());
        self.out.extend(partition.last_stable_offset.to_be_bytes());
        if self.version >= VERSION_LOG_START {
            self.out.extend(partition.log_start_offset.to_be_bytes());
        }
        match partition.aborted_transactions {
            Some(aborted) => self.aborted_transactions(aborted)?,
            None if self.is_flexible() => push_unsigned_varint(&mut self.out, COMPACT_NULL),
            None => self.out.extend(NULL.to_be_bytes()),
        }
        if self.version >= VERSION_PREFERRED_REPLICA {
            self.out.extend(partition.preferred_read_replica.to_be_bytes());
        }
        let records_bytes = partition.records_bytes;
        self.count(records_bytes as usize)?;
        self.holes.push(RecordsHole { at: self.out.len(), records_bytes });
        if self.is_flexible() {
            self.partition_tags(partition);
        }
        Ok(())
    }

    fn aborted_transactions(
        &mut self,
        aborted: &[AbortedTransaction],
    ) -> Result<(), FetchResponseError> {
        self.count(aborted.len())?;
        for transaction in aborted {
            self.out.extend(transaction.producer_id.to_be_bytes());
            self.out.extend(transaction.first_offset.to_be_bytes());
            self.no_tags();
        }
        Ok(())
    }

    fn partition_tags(&mut self, partition: &AnsweredPartition<'_>) {
        let AnsweredPartition { diverging_epoch, current_leader, .. } = partition;
        let tags = u32::from(diverging_epoch.is_some()) + u32::from(current_leader.is_some());
        push_unsigned_varint(&mut self.out, tags);
        if let Some(DivergingEpoch { epoch, end_offset }) = diverging_epoch {
            push_unsigned_varint(&mut self.out, TAG_DIVERGING_EPOCH);
            push_unsigned_varint(&mut self.out, DIVERGING_EPOCH_BYTES);
            self.out.extend(epoch.to_be_bytes());
            self.out.extend(end_offset.to_be_bytes());
            push_unsigned_varint(&mut self.out, NO_TAGS);
        }
        if let Some(CurrentLeader { leader_id, leader_epoch }) = current_leader {
            push_unsigned_varint(&mut self.out, TAG_CURRENT_LEADER);
            push_unsigned_varint(&mut self.out, CURRENT_LEADER_BYTES);
            self.out.extend(leader_id.to_be_bytes());
            self.out.extend(leader_epoch.to_be_bytes());
            push_unsigned_varint(&mut self.out, NO_TAGS);
        }
    }

    fn endpoints(&mut self, endpoints: &[LeaderEndpoint<'_>]) -> Result<(), FetchResponseError> {
        if self.version < VERSION_ENDPOINTS || endpoints.is_empty() {
            self.no_tags();
            return Ok(());
        }
        let before = std::mem::take(&mut self.out);
        self.count(endpoints.len())?;
        for endpoint in endpoints {
            self.out.extend(endpoint.node_id.to_be_bytes());
            self.text(endpoint.host)?;
            self.out.extend(endpoint.port.to_be_bytes());
            match endpoint.rack {
                Some(rack) => self.text(rack)?,
                None => push_unsigned_varint(&mut self.out, COMPACT_NULL),
            }
            self.no_tags();
        }
        let value = std::mem::replace(&mut self.out, before);
        push_unsigned_varint(&mut self.out, ONE_TAG);
        push_unsigned_varint(&mut self.out, TAG_ENDPOINTS);
        let bytes = u32::try_from(value.len());
        push_unsigned_varint(&mut self.out, bytes.map_err(|_| FetchResponseError::TooLarge)?);
        self.out.extend(value);
        Ok(())
    }

    fn finish(mut self) -> Result<FetchResponseFrame, FetchResponseError> {
        let written = u64::try_from(self.out.len() - SIZE_BYTES).ok();
        let size = self
            .holes
            .iter()
            .try_fold(written, |size, hole| Some(size?.checked_add(u64::from(hole.records_bytes))));
        let size = size.flatten().and_then(|size| i32::try_from(size).ok());
        let size = size.ok_or(FetchResponseError::TooLarge)?;
        self.out[..SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
        Ok(FetchResponseFrame { bytes: self.out.into(), holes: self.holes })
    }

    const fn is_flexible(&self) -> bool {
        self.version >= VERSION_FLEXIBLE
    }

    fn no_tags(&mut self) {
        if self.is_flexible() {
            push_unsigned_varint(&mut self.out, NO_TAGS);
        }
    }

    /// Elements of an array, or bytes of records.
    fn count(&mut self, count: usize) -> Result<(), FetchResponseError> {
        let count = i32::try_from(count).map_err(|_| FetchResponseError::TooLarge)?;
        if self.is_flexible() {
            push_unsigned_varint(&mut self.out, count.cast_unsigned() + 1);
        } else {
            self.out.extend(count.to_be_bytes());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), FetchResponseError> {
        if self.is_flexible() {
            self.count(text.len())?;
        } else {
            let bytes = i16::try_from(text.len()).map_err(|_| FetchResponseError::TooLarge)?;
            self.out.extend(bytes.to_be_bytes());
        }
        self.out.extend(text.as_bytes());
        Ok(())
    }
}

/// Why a response cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchResponseError {
    /// Not one of ours.
    #[error("fetch response of version {version}, we write {VERSION_MIN} to {VERSION_MAX}")]
    Version {
        /// Version asked for.
        version: i16,
    },
    /// A name where an id belongs, or the other way round.
    #[error(
        "topic of a fetch response of version {version}, \
         which has names below version {VERSION_TOPIC_IDS} and ids from there on"
    )]
    TopicKey {
        /// Version asked for.
        version: i16,
    },
    /// A length that its field cannot say.
    #[error("fetch response is larger than its fields can say, records included")]
    TooLarge,
}

const VERSION_LOG_START: i16 = 5;
const VERSION_PREFERRED_REPLICA: i16 = 11;
const VERSION_ENDPOINTS: i16 = 16;

const TAG_DIVERGING_EPOCH: u32 = 0;
const TAG_CURRENT_LEADER: u32 = 1;
const TAG_ENDPOINTS: u32 = 0;
const NO_TAGS: u32 = 0;
const ONE_TAG: u32 = 1;
/// Epoch, end offset, tags.
const DIVERGING_EPOCH_BYTES: u32 = 4 + 8 + 1;
/// Broker, epoch, tags.
const CURRENT_LEADER_BYTES: u32 = 4 + 4 + 1;
const NULL: i32 = -1;
const COMPACT_NULL: u32 = 0;
const NO_SIZE_YET: [u8; SIZE_BYTES] = [0; SIZE_BYTES];

/// Room taken at the start: what each part needs as a rule.
const HEAD_BYTES: usize = 32;
const TOPIC_BYTES: usize = 64;
const PARTITION_BYTES: usize = 64;

#[cfg(test)]
mod tests;
