//! Values of KRaft metadata records, as `bootstrap.checkpoint` holds them.
//!
//! ```text
//!  value:  frame uvarint = 1 | apiKey uvarint | version uvarint | fields | tagged fields = 0
//!
//!   12 v0  FeatureLevel  name, level i16
//!    2 v0  Topic         name, topicId
//!    4 v0  Config        resourceType i8, resourceName, name, value (nullable)
//!    3 v1  Partition     partitionId i32, topicId, replicas, isr, removing, adding: [i32],
//!                        leader i32, leaderEpoch i32, partitionEpoch i32, directories: [uuid]
//!   15 v0  ProducerIds   brokerId i32, brokerEpoch i64, nextProducerId i64
//!   18 v0  AccessControlEntry  id uuid, resourceType i8, resourceName, patternType i8,
//!                        principal, host, operation i8, permissionType i8
//! ```
//! Strings and arrays are compact. Source: `metadata/src/main/resources/common/metadata` and
//! `MetadataRecordSerde` in Apache Kafka.

use crate::byte_cursor::{ByteCursor, CursorError, push_unsigned_varint};
use crate::epoch::LeaderEpoch;
use crate::partition::{BrokerId, PartitionIndex, TopicId, TopicName};
use crate::producer::ProducerId;

/// Type number of the control record that opens a snapshot.
pub const SNAPSHOT_HEADER_KIND: i16 = 3;
/// Type number of the control record that closes a snapshot.
pub const SNAPSHOT_FOOTER_KIND: i16 = 4;
/// Value of a snapshot's header: version 0, no contained timestamp, no tagged fields.
pub const SNAPSHOT_HEADER_VALUE: [u8; 11] = [0; 11];
/// Value of a snapshot's footer: version 0, no tagged fields.
pub const SNAPSHOT_FOOTER_VALUE: [u8; 3] = [0; 3];

/// Id of a log directory (`directory.id` in `meta.properties`).
pub type DirectoryId = [u8; 16];

/// One metadata record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// The level of a feature, `metadata.version` above all.
    FeatureLevel {
        /// Name of the feature.
        name: String,
        /// Its level.
        level: i16,
    },
    /// A topic exists.
    Topic {
        /// Its name.
        name: TopicName,
        /// Its id.
        topic_id: TopicId,
    },
    /// A configuration value.
    Config {
        /// What is configured.
        resource: ConfigResource,
        /// Key.
        name: String,
        /// Value, or null for the default.
        value: Option<String>,
    },
    /// A partition exists.
    Partition(PartitionRecord),
    /// Producer ids below this one are taken.
    ProducerIds {
        /// First id to hand out.
        next_producer_id: ProducerId,
    },
    /// Somebody may, or may not, do something.
    AccessControlEntry(AccessControlEntryRecord),
}

/// A rule of an authorizer; numbers as in requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessControlEntryRecord {
    /// Id of the rule; no other has it.
    pub id: [u8; 16],
    /// Number of the kind of resource.
    pub resource_type: i8,
    /// The resource's name.
    pub resource_name: String,
    /// Number of how the name is meant.
    pub pattern_type: i8,
    /// Who, as `User:ada`.
    pub principal: String,
    /// From where.
    pub host: String,
    /// Number of the operation.
    pub operation: i8,
    /// Number of the permission.
    pub permission_type: i8,
}

/// What a configuration value is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicName),
    /// A broker by its id, or all brokers when empty.
    Broker(String),
}

/// A partition with all replicas in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    /// Its index.
    pub partition: PartitionIndex,
    /// Id of its topic.
    pub topic_id: TopicId,
    /// Brokers that hold it, each with its log directory; the first one leads.
    pub replicas: Vec<(BrokerId, DirectoryId)>,
    /// Epoch of the leader.
    pub leader_epoch: LeaderEpoch,
}

/// Why bytes are not a metadata record we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataRecordError {
    /// Bytes missing, or a length that cannot be.
    #[error("metadata record is damaged: {0}")]
    Cursor(#[from] CursorError),
    /// A record, version or frame we do not know.
    #[error(
        "metadata record has frame {frame}, api key {api_key}, version {version}: not one of ours"
    )]
    Unknown {
        /// Frame version, 1 expected.
        frame: u32,
        /// Number of the record.
        api_key: u32,
        /// Its version.
        version: u32,
    },
    /// A field with a value that cannot be, or that we never write.
    #[error("metadata record has an unexpected {field}")]
    Field {
        /// Name of the field.
        field: &'static str,
    },
    /// Bytes behind the end of the record.
    #[error("{bytes} bytes follow the metadata record")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
}

impl MetadataRecord {
    /// The bytes of the record's value.
    ///
    /// # Panics
    /// When a partition has no replicas.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (api_key, version) = self.kind();
        for value in [FRAME_VERSION, api_key, version] {
            push_unsigned_varint(&mut out, value);
        }
        match self {
            Self::FeatureLevel { name, level } => {
                push_text(&mut out, Some(name));
                out.extend(level.to_be_bytes());
            }
            Self::Topic { name, topic_id } => {
                push_text(&mut out, Some(name.as_str()));
                out.extend(topic_id.bytes());
            }
            Self::Config { resource, name, value } => {
                push_resource(&mut out, resource);
                push_text(&mut out, Some(name));
                push_text(&mut out, value.as_deref());
            }
            Self::Partition(record) => push_partition(&mut out, record),
            Self::ProducerIds { next_producer_id } => {
                out.extend(NO_BROKER.to_be_bytes());
                out.extend(NO_BROKER_EPOCH.to_be_bytes());
                out.extend(next_producer_id.get().to_be_bytes());
            }
            Self::AccessControlEntry(record) => push_acl(&mut out, record),
        }
        push_unsigned_varint(&mut out, NO_TAGS);
        out
    }

    /// Parses what [`Self::encode`] writes.
    ///
    /// # Errors
    /// When the bytes are another record, or not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetadataRecordError> {
        let mut cursor = ByteCursor::new(bytes);
        let frame = cursor.unsigned_varint()?;
        let (api_key, version) = (cursor.unsigned_varint()?, cursor.unsigned_varint()?);
        let record = match (frame, (api_key, version)) {
            (FRAME_VERSION, FEATURE_LEVEL) => {
                Self::FeatureLevel { name: take_string(&mut cursor, "name")?, level: cursor.i16()? }
            }
            (FRAME_VERSION, TOPIC) => Self::Topic {
                name: take_topic(&mut cursor)?,
                topic_id: take_topic_id(&mut cursor)?,
            },
            (FRAME_VERSION, CONFIG) => Self::Config {
                resource: take_resource(&mut cursor)?,
                name: take_string(&mut cursor, "name")?,
                value: take_text(&mut cursor)?.map(str::to_owned),
            },
            (FRAME_VERSION, PARTITION) => Self::Partition(take_partition(&mut cursor)?),
            (FRAME_VERSION, PRODUCER_IDS) => {
                expect_field(cursor.i32()? == NO_BROKER, "brokerId")?;
                expect_field(cursor.i64()? == NO_BROKER_EPOCH, "brokerEpoch")?;
                let next = ProducerId::from_wire(cursor.i64()?);
                Self::ProducerIds { next_producer_id: next.ok_or(field("nextProducerId"))? }
            }
            (FRAME_VERSION, ACCESS_CONTROL_ENTRY) => {
                Self::AccessControlEntry(take_acl(&mut cursor)?)
            }
            _ => return Err(MetadataRecordError::Unknown { frame, api_key, version }),
        };
        expect_field(cursor.unsigned_varint()? == NO_TAGS, "tagged field")?;
        match cursor.rest().len() {
            0 => Ok(record),
            bytes => Err(MetadataRecordError::TrailingBytes { bytes }),
        }
    }

    const fn kind(&self) -> (u32, u32) {
        match self {
            Self::FeatureLevel { .. } => FEATURE_LEVEL,
            Self::Topic { .. } => TOPIC,
            Self::Config { .. } => CONFIG,
            Self::Partition(_) => PARTITION,
            Self::ProducerIds { .. } => PRODUCER_IDS,
            Self::AccessControlEntry(_) => ACCESS_CONTROL_ENTRY,
        }
    }
}

fn push_partition(out: &mut Vec<u8>, record: &PartitionRecord) {
    let (leader, _) = record.replicas.first().expect("a partition has a replica");
    out.extend(record.partition.get().to_be_bytes());
    out.extend(record.topic_id.bytes());
    for _replicas_then_isr in 0..2 {
        push_count(out, record.replicas.len());
        out.extend(record.replicas.iter().flat_map(|(broker, _)| broker.get().to_be_bytes()));
    }
    for _removing_then_adding in 0..2 {
        push_count(out, 0);
    }
    out.extend(leader.get().to_be_bytes());
    out.extend(record.leader_epoch.get().to_be_bytes());
    out.extend(FIRST_PARTITION_EPOCH.to_be_bytes());
    push_count(out, record.replicas.len());
    out.extend(record.replicas.iter().flat_map(|(_, directory)| directory));
}

fn take_partition(cursor: &mut ByteCursor<'_>) -> Result<PartitionRecord, MetadataRecordError> {
    let partition = PartitionIndex::from_wire(cursor.i32()?).ok_or(field("partitionId"))?;
    let topic_id = take_topic_id(cursor)?;
    let replicas = take_brokers(cursor)?;
    expect_field(take_brokers(cursor)? == replicas, "isr")?;
    expect_field(take_brokers(cursor)?.is_empty(), "removingReplicas")?;
    expect_field(take_brokers(cursor)?.is_empty(), "addingReplicas")?;
    let leader = BrokerId::from_wire(cursor.i32()?).ok_or(field("leader"))?;
    expect_field(replicas.first() == Some(&leader), "leader")?;
    let leader_epoch = LeaderEpoch::from_wire(cursor.i32()?).ok_or(field("leaderEpoch"))?;
    expect_field(cursor.i32()? == FIRST_PARTITION_EPOCH, "partitionEpoch")?;
    expect_field(take_count(cursor)? == replicas.len(), "directories")?;
    let mut placed = Vec::new();
    for broker in replicas {
        placed.push((broker, cursor.array()?));
    }
    Ok(PartitionRecord { partition, topic_id, replicas: placed, leader_epoch })
}

fn push_acl(out: &mut Vec<u8>, record: &AccessControlEntryRecord) {
    out.extend(record.id);
    out.extend(record.resource_type.to_be_bytes());
    push_text(out, Some(&record.resource_name));
    out.extend(record.pattern_type.to_be_bytes());
    push_text(out, Some(&record.principal));
    push_text(out, Some(&record.host));
    out.extend(record.operation.to_be_bytes());
    out.extend(record.permission_type.to_be_bytes());
}

fn take_acl(cursor: &mut ByteCursor<'_>) -> Result<AccessControlEntryRecord, MetadataRecordError> {
    Ok(AccessControlEntryRecord {
        id: cursor.array()?,
        resource_type: cursor.i8()?,
        resource_name: take_string(cursor, "resourceName")?,
        pattern_type: cursor.i8()?,
        principal: take_string(cursor, "principal")?,
        host: take_string(cursor, "host")?,
        operation: cursor.i8()?,
        permission_type: cursor.i8()?,
    })
}

fn push_resource(out: &mut Vec<u8>, resource: &ConfigResource) {
    let (kind, name) = match resource {
        ConfigResource::Topic(name) => (RESOURCE_TOPIC, name.as_str()),
        ConfigResource::Broker(name) => (RESOURCE_BROKER, name.as_str()),
    };
    out.extend(kind.to_be_bytes());
    push_text(out, Some(name));
}

fn take_resource(cursor: &mut ByteCursor<'_>) -> Result<ConfigResource, MetadataRecordError> {
    match cursor.i8()? {
        RESOURCE_TOPIC => Ok(ConfigResource::Topic(take_topic(cursor)?)),
        RESOURCE_BROKER => Ok(ConfigResource::Broker(take_string(cursor, "resourceName")?)),
        _ => Err(field("resourceType")),
    }
}

fn push_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("metadata has fewer than 2^32 elements");
    push_unsigned_varint(out, count + 1);
}

fn push_text(out: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else { return push_unsigned_varint(out, 0) };
    push_count(out, text.len());
    out.extend(text.as_bytes());
}

fn take_count(cursor: &mut ByteCursor<'_>) -> Result<usize, MetadataRecordError> {
    let count = cursor.unsigned_varint()?.checked_sub(1).ok_or(field("null"))?;
    Ok(count as usize)
}

fn take_text<'a>(cursor: &mut ByteCursor<'a>) -> Result<Option<&'a str>, MetadataRecordError> {
    let Some(bytes) = cursor.unsigned_varint()?.checked_sub(1) else { return Ok(None) };
    let text = str::from_utf8(cursor.take(bytes as usize)?).map_err(|_| field("string"))?;
    Ok(Some(text))
}

fn take_string(
    cursor: &mut ByteCursor<'_>,
    name: &'static str,
) -> Result<String, MetadataRecordError> {
    take_text(cursor)?.map(str::to_owned).ok_or_else(|| field(name))
}

fn take_topic(cursor: &mut ByteCursor<'_>) -> Result<TopicName, MetadataRecordError> {
    take_text(cursor)?.and_then(TopicName::parse).ok_or(field("topic name"))
}

fn take_topic_id(cursor: &mut ByteCursor<'_>) -> Result<TopicId, MetadataRecordError> {
    TopicId::from_wire(cursor.array()?).ok_or(field("topicId"))
}

fn take_brokers(cursor: &mut ByteCursor<'_>) -> Result<Vec<BrokerId>, MetadataRecordError> {
    let mut brokers = Vec::new();
    for _ in 0..take_count(cursor)? {
        brokers.push(BrokerId::from_wire(cursor.i32()?).ok_or(field("broker id"))?);
    }
    Ok(brokers)
}

const fn expect_field(expected: bool, name: &'static str) -> Result<(), MetadataRecordError> {
    if expected { Ok(()) } else { Err(field(name)) }
}

const fn field(field: &'static str) -> MetadataRecordError {
    MetadataRecordError::Field { field }
}

/// Api key and version of each record.
const FEATURE_LEVEL: (u32, u32) = (12, 0);
const TOPIC: (u32, u32) = (2, 0);
const CONFIG: (u32, u32) = (4, 0);
const PARTITION: (u32, u32) = (3, 1);
const PRODUCER_IDS: (u32, u32) = (15, 0);
const ACCESS_CONTROL_ENTRY: (u32, u32) = (18, 0);
const FRAME_VERSION: u32 = 1;
const NO_TAGS: u32 = 0;
const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;
const NO_BROKER: i32 = -1;
const NO_BROKER_EPOCH: i64 = -1;
const FIRST_PARTITION_EPOCH: i32 = 0;

#[cfg(test)]
mod tests;
