//! Records of `__consumer_offsets`: committed offsets, classic groups, consumer groups (KIP-848),
//! share groups (KIP-932) without their members.
//!
//! ```text
//!  key    kind i16 | fields           value    version i16 | fields, or null: deleted
//!
//!   0, 1  group, topic, partition i32            committed offset      see committed_offset
//!      2  group                                  classic group         see classic_group
//!      3  group                                  consumer group        see consumer_group
//!      4  group                                  partition metadata, not used since 4.1
//!   5, 7, 8  group, member                       member, its target and current assignment
//!      6  group                                  target assignment
//!     11  group                                  share group           see share_group
//!     15  group                                  its partitions
//!     16  group, regular expression              topics it matches
//! ```
//! Keys have strings with an `i16` length. Source: `group-coordinator/src/main/resources/common/
//! message` in Apache Kafka 4.3. Every version is read; written is what a 4.x broker writes.

use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::partition::{PartitionIndex, TopicName};

mod classic_group;
mod committed_offset;
mod consumer_group;
mod share_group;

pub use classic_group::{ClassicGroupMember, ClassicGroupValue};
pub use committed_offset::CommittedOffsetValue;
pub use consumer_group::{
    AssignedPartitions, ClassicMember, ClassicProtocol, ConsumerGroupValue, CurrentAssignmentValue,
    MemberValue, RegularExpressionValue, TargetAssignmentValue, TargetMemberValue,
};
pub use share_group::{ShareGroupValue, SharePartitionsValue, SharedTopic};

/// A record; a value of `None` says that there is no such thing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// An offset a group committed.
    CommittedOffset(CommittedOffsetKey, Option<CommittedOffsetValue>),
    /// A classic group with its members; its key is the group.
    ClassicGroup(String, Option<ClassicGroupValue>),
    /// A consumer group; its key is the group.
    ConsumerGroup(String, Option<ConsumerGroupValue>),
    /// What brokers of 4.0 knew about the topics of a consumer group; the value as it is.
    PartitionMetadata(String, Option<Vec<u8>>),
    /// A member of a consumer group.
    Member(GroupMember, Option<MemberValue>),
    /// The assignment a consumer group moves to; its key is the group.
    TargetAssignment(String, Option<TargetAssignmentValue>),
    /// What a member will have in that assignment.
    TargetMember(GroupMember, Option<TargetMemberValue>),
    /// What a member has now.
    CurrentAssignment(GroupMember, Option<CurrentAssignmentValue>),
    /// The topics that a subscription by regular expression stands for.
    RegularExpression(GroupExpression, Option<RegularExpressionValue>),
    /// A share group; its key is the group.
    ShareGroup(String, Option<ShareGroupValue>),
    /// Of which partitions a share group has a state; its key is the group.
    SharePartitions(String, Option<SharePartitionsValue>),
    /// A record this program has no use for, as it is.
    Unknown(UnknownRecord),
}

/// What a committed offset belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommittedOffsetKey {
    /// The group.
    pub group: String,
    /// Topic it reads.
    pub topic: TopicName,
    /// Partition of that topic.
    pub partition: PartitionIndex,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupMember {
    /// The group.
    pub group: String,
    /// Id of the member.
    pub member_id: String,
}

/// A regular expression some members of a group subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupExpression {
    /// The group.
    pub group: String,
    /// The expression, in the syntax of RE2.
    pub expression: String,
}

/// A record of another kind, streams groups and members of share groups above all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRecord {
    /// Number in front of its key.
    pub kind: i16,
    /// Key behind that number.
    pub key: Vec<u8>,
    /// Value, version included.
    pub value: Option<Vec<u8>>,
}

/// Key and value of a record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedGroupRecord {
    /// Key, never null.
    pub key: Vec<u8>,
    /// Value; null deletes.
    pub value: Option<Vec<u8>>,
}

impl GroupRecord {
    /// Reads key and value of a record.
    ///
    /// # Errors
    /// When it is damaged, or has a value of a version that is unknown.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, GroupRecordError> {
        Self::take(key, value).map_err(GroupRecordError)
    }

    /// Writes key and value.
    ///
    /// # Errors
    /// [`FieldError::TooLong`] when a text or an array is longer than its field can say.
    pub fn encode(&self) -> Result<EncodedGroupRecord, GroupRecordError> {
        self.push().map_err(GroupRecordError)
    }

    fn take(key: &[u8], value: Option<&[u8]>) -> Result<Self, FieldError> {
        let mut reader = FieldReader::new(key);
        let kind = reader.i16()?;
        let record = match kind {
            KIND_COMMITTED_OFFSET_LEGACY | KIND_COMMITTED_OFFSET => Self::CommittedOffset(
                CommittedOffsetKey::take(&mut reader)?,
                value.map(CommittedOffsetValue::decode).transpose()?,
            ),
            KIND_CLASSIC_GROUP => Self::ClassicGroup(
                reader.string("group")?,
                value.map(ClassicGroupValue::decode).transpose()?,
            ),
            KIND_CONSUMER_GROUP => Self::ConsumerGroup(
                reader.string("group")?,
                value.map(ConsumerGroupValue::decode).transpose()?,
            ),
            KIND_PARTITION_METADATA => {
                Self::PartitionMetadata(reader.string("group")?, value.map(<[u8]>::to_vec))
            }
            KIND_MEMBER => Self::Member(
                GroupMember::take(&mut reader)?,
                value.map(MemberValue::decode).transpose()?,
            ),
            KIND_TARGET_ASSIGNMENT => Self::TargetAssignment(
                reader.string("group")?,
                value.map(TargetAssignmentValue::decode).transpose()?,
            ),
            KIND_TARGET_MEMBER => Self::TargetMember(
                GroupMember::take(&mut reader)?,
                value.map(TargetMemberValue::decode).transpose()?,
            ),
            KIND_CURRENT_ASSIGNMENT => Self::CurrentAssignment(
                GroupMember::take(&mut reader)?,
                value.map(CurrentAssignmentValue::decode).transpose()?,
            ),
            KIND_REGULAR_EXPRESSION => Self::RegularExpression(
                GroupExpression::take(&mut reader)?,
                value.map(RegularExpressionValue::decode).transpose()?,
            ),
            KIND_SHARE_GROUP => Self::ShareGroup(
                reader.string("group")?,
                value.map(ShareGroupValue::decode).transpose()?,
            ),
            KIND_SHARE_PARTITIONS => Self::SharePartitions(
                reader.string("group")?,
                value.map(SharePartitionsValue::decode).transpose()?,
            ),
            _ => {
                let (key, value) = (reader.take_rest().to_vec(), value.map(<[u8]>::to_vec));
                Self::Unknown(UnknownRecord { kind, key, value })
            }
        };
        reader.end("key")?;
        Ok(record)
    }

    fn push(&self) -> Result<EncodedGroupRecord, FieldError> {
        let (kind, first, second) = self.key();
        let mut key = FieldWriter::new(kind);
        if let Self::Unknown(unknown) = self {
            key.raw(&unknown.key);
        } else {
            key.text(first, "group");
        }
        if let Some(text) = second {
            key.text(text, "key");
        }
        if let Self::CommittedOffset(committed, _) = self {
            key.i32(committed.partition.get());
        }
        let value = match self {
            Self::CommittedOffset(_, value) => value.as_ref().map(CommittedOffsetValue::encode),
            Self::ClassicGroup(_, value) => value.as_ref().map(ClassicGroupValue::encode),
            Self::ConsumerGroup(_, value) => value.as_ref().map(ConsumerGroupValue::encode),
            Self::Member(_, value) => value.as_ref().map(MemberValue::encode),
            Self::TargetAssignment(_, value) => value.as_ref().map(TargetAssignmentValue::encode),
            Self::TargetMember(_, value) => value.as_ref().map(TargetMemberValue::encode),
            Self::CurrentAssignment(_, value) => value.as_ref().map(CurrentAssignmentValue::encode),
            Self::RegularExpression(_, value) => value.as_ref().map(RegularExpressionValue::encode),
            Self::ShareGroup(_, value) => value.as_ref().map(ShareGroupValue::encode),
            Self::SharePartitions(_, value) => value.as_ref().map(SharePartitionsValue::encode),
            Self::PartitionMetadata(_, value) => value.clone().map(Ok),
            Self::Unknown(unknown) => unknown.value.clone().map(Ok),
        };
        Ok(EncodedGroupRecord { key: key.finish()?, value: value.transpose()? })
    }

    /// Kind of the record and the texts of its key.
    fn key(&self) -> (i16, &str, Option<&str>) {
        match self {
            Self::CommittedOffset(key, _) => {
                (KIND_COMMITTED_OFFSET, &key.group, Some(key.topic.as_str()))
            }
            Self::ClassicGroup(group, _) => (KIND_CLASSIC_GROUP, group, None),
            Self::ConsumerGroup(group, _) => (KIND_CONSUMER_GROUP, group, None),
            Self::PartitionMetadata(group, _) => (KIND_PARTITION_METADATA, group, None),
            Self::Member(key, _) => (KIND_MEMBER, &key.group, Some(&key.member_id)),
            Self::TargetAssignment(group, _) => (KIND_TARGET_ASSIGNMENT, group, None),
            Self::TargetMember(key, _) => (KIND_TARGET_MEMBER, &key.group, Some(&key.member_id)),
            Self::CurrentAssignment(key, _) => {
                (KIND_CURRENT_ASSIGNMENT, &key.group, Some(&key.member_id))
            }
            Self::RegularExpression(key, _) => {
                (KIND_REGULAR_EXPRESSION, &key.group, Some(&key.expression))
            }
            Self::ShareGroup(group, _) => (KIND_SHARE_GROUP, group, None),
            Self::SharePartitions(group, _) => (KIND_SHARE_PARTITIONS, group, None),
            Self::Unknown(unknown) => (unknown.kind, "", None),
        }
    }
}

impl CommittedOffsetKey {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        let group = reader.string("group")?;
        let topic = TopicName::parse(&reader.string("topic")?).ok_or(unexpected("topic"))?;
        let partition = PartitionIndex::from_wire(reader.i32()?).ok_or(unexpected("partition"))?;
        Ok(Self { group, topic, partition })
    }
}

impl GroupMember {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        Ok(Self { group: reader.string("group")?, member_id: reader.string("member id")? })
    }
}

impl GroupExpression {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        Ok(Self { group: reader.string("group")?, expression: reader.string("expression")? })
    }
}

/// Partition of `__consumer_offsets` that holds everything about a group.
///
/// The hash is that of Java's strings, over UTF-16 units, and what counts is how far it is from 0
/// (`GroupCoordinatorService.partitionFor` with `Utils.abs`, which has 0 for the least integer).
///
/// # Panics
/// When there are no partitions.
#[must_use]
pub fn partition_of_group(group: &str, partition_count: u32) -> u32 {
    assert!(partition_count > 0, "a topic has a partition");
    let add = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    let hash = group.encode_utf16().fold(0, add);
    let distance = hash.cast_signed().checked_abs().unwrap_or(0);
    distance.cast_unsigned() % partition_count
}

/// Why a record cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("group record {0}")]
pub struct GroupRecordError(pub FieldError);

const KIND_COMMITTED_OFFSET_LEGACY: i16 = 0;
const KIND_COMMITTED_OFFSET: i16 = 1;
const KIND_CLASSIC_GROUP: i16 = 2;
const KIND_CONSUMER_GROUP: i16 = 3;
const KIND_PARTITION_METADATA: i16 = 4;
const KIND_MEMBER: i16 = 5;
const KIND_TARGET_ASSIGNMENT: i16 = 6;
const KIND_TARGET_MEMBER: i16 = 7;
const KIND_CURRENT_ASSIGNMENT: i16 = 8;
const KIND_SHARE_GROUP: i16 = 11;
const KIND_SHARE_PARTITIONS: i16 = 15;
const KIND_REGULAR_EXPRESSION: i16 = 16;

#[cfg(test)]
mod tests;
