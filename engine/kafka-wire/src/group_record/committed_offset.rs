//! Value of a committed offset.
//!
//! ```text
//!  0  offset i64, metadata, commitTimestamp i64
//!  1  offset i64, metadata, commitTimestamp i64, expireTimestamp i64
//!  2  as 0
//!  3  offset i64, leaderEpoch i32, metadata, commitTimestamp i64
//!  4  as 3, compact, tag 0 topicId
//! ```
//! Written is 4 with a topic id, as brokers do since they know it (seen with 4.3), and 3 without;
//! but 1 with a time of expiry.

use crate::epoch::SourceLeaderEpoch;
use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::offset::Offset;
use crate::partition::TopicId;

/// An offset a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffsetValue {
    /// Offset of the next record to read.
    pub offset: Offset,
    /// Epoch of the last record read, if the client told it.
    pub leader_epoch: Option<SourceLeaderEpoch>,
    /// Whatever the client wanted to keep.
    pub metadata: String,
    /// When it was committed, milliseconds since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it is to be forgotten, if an old client told it.
    pub expire_timestamp_ms: Option<i64>,
    /// Id of the topic, if the broker knew it; left out with a time of expiry.
    pub topic_id: Option<TopicId>,
}

impl CommittedOffsetValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let (mut reader, version) = FieldReader::value(bytes, "committed offset", 4, 4)?;
        let offset = Offset::from_wire(reader.i64()?).ok_or(unexpected("offset"))?;
        let leader_epoch = if version >= 3 { reader.i32()? } else { UNKNOWN };
        let metadata = reader.string("metadata")?;
        let commit_timestamp_ms = reader.i64()?;
        let expire = if version == 1 { reader.i64()? } else { NO_TIMESTAMP };
        let mut topic_id = None;
        reader.tags(|tag, reader| {
            if tag == TAG_TOPIC_ID {
                topic_id = TopicId::from_wire(reader.id()?);
            }
            Ok(())
        })?;
        reader.end("value")?;
        Ok(Self {
            offset,
            leader_epoch: SourceLeaderEpoch::from_wire(leader_epoch),
            metadata,
            commit_timestamp_ms,
            expire_timestamp_ms: (expire != NO_TIMESTAMP).then_some(expire),
            topic_id,
        })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let expire = self.expire_timestamp_ms;
        let mut writer = match (expire, self.topic_id) {
            (Some(_), _) => FieldWriter::new(1),
            (None, None) => FieldWriter::new(3),
            (None, Some(_)) => FieldWriter::flexible(4),
        };
        writer.i64(self.offset.get());
        if expire.is_none() {
            writer.i32(self.leader_epoch.map_or(UNKNOWN, SourceLeaderEpoch::get));
        }
        writer.text(&self.metadata, "metadata");
        writer.i64(self.commit_timestamp_ms);
        if let Some(timestamp_ms) = expire {
            writer.i64(timestamp_ms);
        } else if let Some(topic_id) = self.topic_id {
            let field = FieldWriter::tagged(|field| field.raw(&topic_id.bytes()));
            writer.tags(&[(TAG_TOPIC_ID, Some(field))]);
        }
        writer.finish()
    }
}

const UNKNOWN: i32 = -1;
const NO_TIMESTAMP: i64 = -1;
const TAG_TOPIC_ID: u32 = 0;
