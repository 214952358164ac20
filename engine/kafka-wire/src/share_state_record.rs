//! Records of `__share_group_state`: from where share groups read partitions (KIP-932).
//!
//! ```text
//!  key    kind i16, group, topicId, partition i32
//!  value  version i16 | fields | tagged fields, or null: deleted
//!
//!  0 v0  snapshotEpoch i32, stateEpoch i32, leaderEpoch i32, startOffset i64,
//!        createTimestamp i64, writeTimestamp i64,
//!        stateBatches: [firstOffset i64, lastOffset i64, deliveryState i8, deliveryCount i16],
//!        tag 0 deliveryCompleteCount i32
//! ```
//! Keys have strings with an `i16` length, values compact ones. Source: `share-coordinator/src/
//! main/resources/common/message` in Apache Kafka 4.3. Written is what a broker writes when an
//! administrator sets a start offset: nothing is known of single records then. Kind 1, changes
//! since such a snapshot, is not read.

use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::group_record::partition_of_group;
use crate::offset::Offset;
use crate::partition::{PartitionIndex, TopicId};

/// A snapshot; a value of `None` says that there is no such thing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareStateRecord {
    /// Whose.
    pub key: SharePartitionKey,
    /// What it says.
    pub value: Option<ShareSnapshotValue>,
}

/// A partition that a share group reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePartitionKey {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic_id: TopicId,
    /// Partition of that topic.
    pub partition: PartitionIndex,
}

/// Where a share group stands in a partition, but for single records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareSnapshotValue {
    /// Counts the snapshots.
    pub snapshot_epoch: i32,
    /// Epoch of the group that the state began in.
    pub state_epoch: i32,
    /// Epoch of the partition's leader that wrote it, 0 when none did.
    pub leader_epoch: i32,
    /// First offset that is not settled; `None` until the group has read (-1).
    pub start_offset: Option<Offset>,
    /// Offsets from there on that are settled; -1 for unknown.
    pub delivery_complete_count: i32,
    /// When the state began, milliseconds since the epoch.
    pub create_timestamp_ms: i64,
    /// When it was written, milliseconds since the epoch.
    pub write_timestamp_ms: i64,
}

/// Key and value of a record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedShareStateRecord {
    /// Key, never null.
    pub key: Vec<u8>,
    /// Value; null deletes.
    pub value: Option<Vec<u8>>,
}

/// Why a record cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("share group state {0}")]
pub struct ShareStateRecordError(pub FieldError);

impl ShareStateRecord {
    /// Reads key and value of a record; `None` for one of another kind.
    ///
    /// # Errors
    /// When it is damaged, or has a value of a version that is unknown.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, ShareStateRecordError> {
        Self::take(key, value).map_err(ShareStateRecordError)
    }

    /// Writes key and value.
    ///
    /// # Errors
    /// [`FieldError::TooLong`] when the group's name is longer than its field can say.
    pub fn encode(&self) -> Result<EncodedShareStateRecord, ShareStateRecordError> {
        let key = self.key.encode().map_err(ShareStateRecordError)?;
        let value = self.value.as_ref().map(ShareSnapshotValue::encode).transpose();
        Ok(EncodedShareStateRecord { key, value: value.map_err(ShareStateRecordError)? })
    }

    fn take(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, FieldError> {
        let mut reader = FieldReader::new(key);
        if reader.i16()? != KIND_SNAPSHOT {
            return Ok(None);
        }
        let key = SharePartitionKey {
            group: reader.string("group")?,
            topic_id: TopicId::from_wire(reader.id()?).ok_or(unexpected("topic id"))?,
            partition: PartitionIndex::from_wire(reader.i32()?).ok_or(unexpected("partition"))?,
        };
        reader.end("key")?;
        let value = value.map(ShareSnapshotValue::decode).transpose()?;
        Ok(Some(Self { key, value }))
    }
}

impl SharePartitionKey {
    /// Partition of `__share_group_state` that holds the state: the hash of Java's strings, of
    /// `group:topicId:partition` (`ShareCoordinatorService.partitionFor`).
    ///
    /// # Panics
    /// When there are no partitions.
    #[must_use]
    pub fn place(&self, partition_count: u32) -> u32 {
        let Self { group, topic_id, partition } = self;
        // The hash of a group's name is the same one.
        let text = format!("{group}:{topic_id}:{}", partition.get());
        partition_of_group(&text, partition_count)
    }

    fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut key = FieldWriter::new(KIND_SNAPSHOT);
        key.text(&self.group, "group");
        key.id(self.topic_id.bytes());
        key.i32(self.partition.get());
        key.finish()
    }
}

impl ShareSnapshotValue {
    fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let (mut reader, _) = FieldReader::value(bytes, "share group state", 0, 0)?;
        let mut value = Self {
            snapshot_epoch: reader.i32()?,
            state_epoch: reader.i32()?,
            leader_epoch: reader.i32()?,
            start_offset: Offset::from_wire(reader.i64()?),
            delivery_complete_count: UNKNOWN,
            create_timestamp_ms: reader.i64()?,
            write_timestamp_ms: reader.i64()?,
        };
        reader.array("state batches", |reader| {
            let _of_no_use_here = (reader.i64()?, reader.i64()?, reader.i8()?, reader.i16()?);
            reader.no_tags()
        })?;
        reader.tags(|tag, reader| {
            if tag == TAG_DELIVERY_COMPLETE_COUNT {
                value.delivery_complete_count = reader.i32()?;
            }
            Ok(())
        })?;
        reader.end("value")?;
        Ok(value)
    }

    fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.i32(self.snapshot_epoch);
        writer.i32(self.state_epoch);
        writer.i32(self.leader_epoch);
        writer.i64(self.start_offset.map_or(NO_OFFSET, Offset::get));
        writer.i64(self.create_timestamp_ms);
        writer.i64(self.write_timestamp_ms);
        writer.array(&[(); 0], "state batches", |_, ()| {});
        let count = self.delivery_complete_count;
        let count = (count != UNKNOWN).then(|| FieldWriter::tagged(|field| field.i32(count)));
        writer.tags(&[(TAG_DELIVERY_COMPLETE_COUNT, count)]);
        writer.finish()
    }
}

const KIND_SNAPSHOT: i16 = 0;
const TAG_DELIVERY_COMPLETE_COUNT: u32 = 0;
const UNKNOWN: i32 = -1;
const NO_OFFSET: i64 = -1;

#[cfg(test)]
mod tests;
