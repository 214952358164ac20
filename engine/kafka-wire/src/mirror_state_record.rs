//! Records of `__mirror_state`: where each mirrored partition stands (KIP-1279).
//!
//! ```text
//!  key    kind i16, mirrorName, topicId, partition i32
//!  value  version i16 | fields | tagged fields, or null: deleted
//!
//!  1 v0  lastMirrorEpoch i32, lastMirrorOffset i64
//!  2 v0  state i8, leaderEpoch i32, stateEpoch i32, errorMessage?, retryAttempt i16,
//!        previousState i8
//! ```
//! Keys have strings with an `i16` length, values compact ones. The proposal's revisions disagree
//! about the two kinds; these are the only pair that one of them has complete.

use crate::epoch::{LeaderEpoch, SourceLeaderEpoch};
use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::offset::Offset;
use crate::partition::{PartitionIndex, TopicId};

/// A record; a value of `None` says that there is no such thing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorStateRecord {
    /// How far a partition was mirrored when mirroring stopped.
    LastMirrorEpochs(MirrorPartitionKey, Option<LastMirrorEpochsValue>),
    /// The state of a partition.
    PartitionState(MirrorPartitionKey, Option<PartitionStateValue>),
    /// A record of a kind that this program does not know, as it is.
    Unknown(UnknownMirrorStateRecord),
}

/// A partition of a mirror.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorPartitionKey {
    /// Name of the mirror.
    pub mirror_name: String,
    /// The topic.
    pub topic_id: TopicId,
    /// Partition of that topic.
    pub partition: PartitionIndex,
}

/// The last mirror position of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastMirrorEpochsValue {
    /// Newest epoch in the log; `None` when it had none (-1).
    pub last_mirror_epoch: Option<SourceLeaderEpoch>,
    /// Where the log ended; `None` for unknown (-1).
    pub last_mirror_offset: Option<Offset>,
}

/// The state of a partition; its numbers are for the coordinator to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStateValue {
    /// Number of the state, -1 for unknown.
    pub state: i8,
    /// Epoch of the leader that wrote it; `None` for unknown (-1).
    pub leader_epoch: Option<LeaderEpoch>,
    /// Counts the states written for the partition.
    pub state_epoch: i32,
    /// Why it failed.
    pub error_message: Option<String>,
    /// 0 when it did not fail, else how many times it did; -1 when no retry can help.
    pub retry_attempt: i16,
    /// Number of the state before it failed, -1 for unknown.
    pub previous_state: i8,
}

/// A record of another kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMirrorStateRecord {
    /// Number in front of its key.
    pub kind: i16,
    /// Key behind that number.
    pub key: Vec<u8>,
    /// Value, version included.
    pub value: Option<Vec<u8>>,
}

/// Key and value of a record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedMirrorStateRecord {
    /// Key, never null.
    pub key: Vec<u8>,
    /// Value; null deletes.
    pub value: Option<Vec<u8>>,
}

/// Why a record cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mirror state record {0}")]
pub struct MirrorStateRecordError(pub FieldError);

impl MirrorStateRecord {
    /// Reads key and value of a record.
    ///
    /// # Errors
    /// [`FieldError::Version`] when the value is of a version that this program does not know,
    /// which is no damage; others when key or value is damaged.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, MirrorStateRecordError> {
        Self::take(key, value).map_err(MirrorStateRecordError)
    }

    /// Writes key and value.
    ///
    /// # Errors
    /// [`FieldError::TooLong`] when a text is longer than its field can say.
    pub fn encode(&self) -> Result<EncodedMirrorStateRecord, MirrorStateRecordError> {
        self.push().map_err(MirrorStateRecordError)
    }

    fn take(key: &[u8], value: Option<&[u8]>) -> Result<Self, FieldError> {
        let mut reader = FieldReader::new(key);
        let kind = reader.i16()?;
        let record = match kind {
            KIND_LAST_MIRROR_EPOCHS => Self::LastMirrorEpochs(
                MirrorPartitionKey::take(&mut reader)?,
                value.map(LastMirrorEpochsValue::decode).transpose()?,
            ),
            KIND_PARTITION_STATE => Self::PartitionState(
                MirrorPartitionKey::take(&mut reader)?,
                value.map(PartitionStateValue::decode).transpose()?,
            ),
            _ => {
                let (key, value) = (reader.take_rest().to_vec(), value.map(<[u8]>::to_vec));
                Self::Unknown(UnknownMirrorStateRecord { kind, key, value })
            }
        };
        reader.end("key")?;
        Ok(record)
    }

    fn push(&self) -> Result<EncodedMirrorStateRecord, FieldError> {
        let (key, value) = match self {
            Self::LastMirrorEpochs(key, value) => (
                key.encode(KIND_LAST_MIRROR_EPOCHS)?,
                value.as_ref().map(LastMirrorEpochsValue::encode),
            ),
            Self::PartitionState(key, value) => {
                (key.encode(KIND_PARTITION_STATE)?, value.as_ref().map(PartitionStateValue::encode))
            }
            Self::Unknown(unknown) => {
                let mut key = FieldWriter::new(unknown.kind);
                key.raw(&unknown.key);
                (key.finish()?, unknown.value.clone().map(Ok))
            }
        };
        Ok(EncodedMirrorStateRecord { key, value: value.transpose()? })
    }
}

impl MirrorPartitionKey {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            mirror_name: reader.string("mirror name")?,
            topic_id: TopicId::from_wire(reader.id()?).ok_or(unexpected("topic id"))?,
            partition: PartitionIndex::from_wire(reader.i32()?).ok_or(unexpected("partition"))?,
        })
    }

    fn encode(&self, kind: i16) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::new(kind);
        writer.text(&self.mirror_name, "mirror name");
        writer.raw(&self.topic_id.bytes());
        writer.i32(self.partition.get());
        writer.finish()
    }
}

impl LastMirrorEpochsValue {
    fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("last mirror position", bytes)?;
        let value = Self {
            last_mirror_epoch: SourceLeaderEpoch::from_wire(reader.i32()?),
            last_mirror_offset: Offset::from_wire(reader.i64()?),
        };
        reader.no_tags()?;
        reader.end("value")?;
        Ok(value)
    }

    fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(VERSION);
        writer.i32(self.last_mirror_epoch.map_or(-1, SourceLeaderEpoch::get));
        writer.i64(self.last_mirror_offset.map_or(-1, Offset::get));
        writer.tags(&[]);
        writer.finish()
    }
}

impl PartitionStateValue {
    fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("partition state", bytes)?;
        let value = Self {
            state: reader.i8()?,
            leader_epoch: LeaderEpoch::from_wire(reader.i32()?),
            state_epoch: reader.i32()?,
            error_message: reader.nullable_string("error message")?,
            retry_attempt: reader.i16()?,
            previous_state: reader.i8()?,
        };
        reader.no_tags()?;
        reader.end("value")?;
        Ok(value)
    }

    fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(VERSION);
        writer.i8(self.state);
        writer.i32(self.leader_epoch.map_or(-1, LeaderEpoch::get));
        writer.i32(self.state_epoch);
        writer.nullable_text(self.error_message.as_deref(), "error message");
        writer.i16(self.retry_attempt);
        writer.i8(self.previous_state);
        writer.tags(&[]);
        writer.finish()
    }
}

fn value_of<'a>(what: &'static str, bytes: &'a [u8]) -> Result<FieldReader<'a>, FieldError> {
    FieldReader::value(bytes, what, VERSION, VERSION).map(|(reader, _)| reader)
}

const KIND_LAST_MIRROR_EPOCHS: i16 = 1;
const KIND_PARTITION_STATE: i16 = 2;
/// The only version of both values; flexible.
const VERSION: i16 = 0;

#[cfg(test)]
mod tests;
