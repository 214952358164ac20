//! Values of consumer groups (KIP-848); all of version 0 and compact.
//!
//! ```text
//!   3  epoch i32, tag 0 metadataHash i64
//!   5  instanceId?, rackId?, clientId, clientHost, subscribedTopicNames, subscribedTopicRegex?,
//!      rebalanceTimeoutMs i32, serverAssignor?, tag 0 classicMemberMetadata?
//!   6  assignmentEpoch i32, tag 0 assignmentTimestamp i64
//!   7  topicPartitions: [topicId, partitions: [i32]]
//!   8  memberEpoch i32, previousMemberEpoch i32, state i8, assigned and pendingRevocation: [
//!        topicId, partitions: [i32], tag 0 assignmentEpochs: [i32]?]
//!  16  topics, version i64, timestamp i64
//! ```

use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::partition::{PartitionIndex, TopicId};

/// A consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupValue {
    /// Group epoch: rises with every change of members or topics.
    pub epoch: i32,
    /// Hash of the topics subscribed to, 0 for none; a broker that computes another rebalances.
    pub metadata_hash: i64,
}

/// A member of a consumer group and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    /// Name of a static member.
    pub instance_id: Option<String>,
    /// Rack it is in.
    pub rack_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Topics it subscribes to by name.
    pub subscribed_topic_names: Vec<String>,
    /// Expression for the topics it subscribes to.
    pub subscribed_topic_regex: Option<String>,
    /// How long it may take to give partitions up, milliseconds; -1 for unknown.
    pub rebalance_timeout_ms: i32,
    /// Assignor of the broker it asks for.
    pub server_assignor: Option<String>,
    /// Set when it speaks the classic protocol.
    pub classic: Option<ClassicMember>,
}

/// What a member of a consumer group says that speaks the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMember {
    /// How long it may stay silent, milliseconds.
    pub session_timeout_ms: i32,
    /// Protocols it can speak, the best first.
    pub protocols: Vec<ClassicProtocol>,
}

/// A protocol of the classic kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicProtocol {
    /// Its name.
    pub name: String,
    /// What the member says in it.
    pub metadata: Vec<u8>,
}

/// The assignment a group moves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetAssignmentValue {
    /// Group epoch it was computed for.
    pub assignment_epoch: i32,
    /// When it was computed, milliseconds since the epoch; 0 for unknown.
    pub assignment_timestamp_ms: i64,
}

/// What a member will have in the target assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetMemberValue {
    /// Partitions by topic; their epochs are not written.
    pub partitions: Vec<AssignedPartitions>,
}

/// What a member has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentAssignmentValue {
    /// Epoch it has to send in its heartbeats.
    pub member_epoch: i32,
    /// Epoch it may still send when it missed the last change.
    pub previous_member_epoch: i32,
    /// State by its number in Kafka's `MemberState`.
    pub state: i8,
    /// Partitions it owns.
    pub assigned: Vec<AssignedPartitions>,
    /// Partitions it has to give up.
    pub pending_revocation: Vec<AssignedPartitions>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedPartitions {
    /// The topic.
    pub topic_id: TopicId,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
    /// Epoch each was assigned at, as brokers write since 4.3; `None` in what older ones wrote.
    /// Brokers from 4.3 on report an error when they are missing, and take the member's epoch.
    pub assignment_epochs: Option<Vec<i32>>,
}

/// The topics an expression stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegularExpressionValue {
    /// Names of the topics.
    pub topics: Vec<String>,
    /// Offset of the cluster metadata they were looked up in.
    pub version: i64,
    /// When they were looked up, milliseconds since the epoch.
    pub timestamp_ms: i64,
}

impl ConsumerGroupValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("consumer group", bytes)?;
        let epoch = reader.i32()?;
        let metadata_hash = take_tagged_i64(&mut reader)?;
        reader.end("value")?;
        Ok(Self { epoch, metadata_hash })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.i32(self.epoch);
        push_tagged_i64(&mut writer, self.metadata_hash);
        writer.finish()
    }
}

impl MemberValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("member", bytes)?;
        let mut value = Self {
            instance_id: reader.nullable_string("instance id")?,
            rack_id: reader.nullable_string("rack id")?,
            client_id: reader.string("client id")?,
            client_host: reader.string("client host")?,
            subscribed_topic_names: take_texts(&mut reader, "subscribed topic names")?,
            subscribed_topic_regex: reader.nullable_string("subscribed topic regex")?,
            rebalance_timeout_ms: reader.i32()?,
            server_assignor: reader.nullable_string("server assignor")?,
            classic: None,
        };
        reader.tags(|tag, reader| {
            if tag == FIRST_TAG {
                value.classic = ClassicMember::take_nullable(reader)?;
            }
            Ok(())
        })?;
        reader.end("value")?;
        Ok(value)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.nullable_text(self.instance_id.as_deref(), "instance id");
        writer.nullable_text(self.rack_id.as_deref(), "rack id");
        writer.text(&self.client_id, "client id");
        writer.text(&self.client_host, "client host");
        push_texts(&mut writer, &self.subscribed_topic_names, "subscribed topic names");
        writer.nullable_text(self.subscribed_topic_regex.as_deref(), "subscribed topic regex");
        writer.i32(self.rebalance_timeout_ms);
        writer.nullable_text(self.server_assignor.as_deref(), "server assignor");
        // Null is written too: brokers take a member without this tag for a classic one.
        let classic = FieldWriter::tagged(|field| match &self.classic {
            Some(classic) => classic.push(field),
            None => field.i8(NULL),
        });
        writer.tags(&[(FIRST_TAG, Some(classic))]);
        writer.finish()
    }
}

impl ClassicMember {
    /// In a tagged field, a struct that may be null is led by a byte: 0 for null, 1 otherwise.
    fn take_nullable(reader: &mut FieldReader<'_>) -> Result<Option<Self>, FieldError> {
        match reader.i8()? {
            NULL => return Ok(None),
            PRESENT => {}
            _ => return Err(unexpected("classic member metadata")),
        }
        let session_timeout_ms = reader.i32()?;
        let protocols = reader.array("supported protocols", |reader| {
            let (name, metadata) = (reader.string("protocol name")?, reader.bytes("metadata")?);
            reader.no_tags()?;
            Ok(ClassicProtocol { name, metadata })
        })?;
        reader.no_tags()?;
        Ok(Some(Self { session_timeout_ms, protocols }))
    }

    fn push(&self, writer: &mut FieldWriter) {
        writer.i8(PRESENT);
        writer.i32(self.session_timeout_ms);
        writer.array(&self.protocols, "supported protocols", |writer, protocol| {
            writer.text(&protocol.name, "protocol name");
            writer.bytes(&protocol.metadata, "metadata");
            writer.tags(&[]);
        });
        writer.tags(&[]);
    }
}

impl TargetAssignmentValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("target assignment", bytes)?;
        let assignment_epoch = reader.i32()?;
        let assignment_timestamp_ms = take_tagged_i64(&mut reader)?;
        reader.end("value")?;
        Ok(Self { assignment_epoch, assignment_timestamp_ms })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.i32(self.assignment_epoch);
        push_tagged_i64(&mut writer, self.assignment_timestamp_ms);
        writer.finish()
    }
}

impl TargetMemberValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("target assignment of a member", bytes)?;
        let partitions = reader.array("topic partitions", |reader| {
            let (topic_id, partitions) = AssignedPartitions::take_partitions(reader)?;
            reader.no_tags()?;
            Ok(AssignedPartitions { topic_id, partitions, assignment_epochs: None })
        })?;
        reader.no_tags()?;
        reader.end("value")?;
        Ok(Self { partitions })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.array(&self.partitions, "topic partitions", |writer, topic| {
            topic.push_partitions(writer);
            writer.tags(&[]);
        });
        writer.tags(&[]);
        writer.finish()
    }
}

impl CurrentAssignmentValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("current assignment", bytes)?;
        let value = Self {
            member_epoch: reader.i32()?,
            previous_member_epoch: reader.i32()?,
            state: reader.i8()?,
            assigned: reader.array("assigned partitions", AssignedPartitions::take)?,
            pending_revocation: reader.array("pending revocations", AssignedPartitions::take)?,
        };
        reader.no_tags()?;
        reader.end("value")?;
        Ok(value)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.i32(self.member_epoch);
        writer.i32(self.previous_member_epoch);
        writer.i8(self.state);
        for partitions in [&self.assigned, &self.pending_revocation] {
            writer.array(partitions, "partitions", |writer, topic| topic.push(writer));
        }
        writer.tags(&[]);
        writer.finish()
    }
}

impl AssignedPartitions {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        let (topic_id, partitions) = Self::take_partitions(reader)?;
        let mut assignment_epochs = None;
        reader.tags(|tag, reader| {
            if tag == FIRST_TAG {
                let epoch = |reader: &mut FieldReader<'_>| Ok(reader.i32()?);
                assignment_epochs = reader.nullable_array("assignment epochs", epoch)?;
            }
            Ok(())
        })?;
        Ok(Self { topic_id, partitions, assignment_epochs })
    }

    fn take_partitions(
        reader: &mut FieldReader<'_>,
    ) -> Result<(TopicId, Vec<PartitionIndex>), FieldError> {
        let topic_id = TopicId::from_wire(reader.id()?).ok_or(unexpected("topic id"))?;
        let partitions = reader.array("partitions", |reader| {
            PartitionIndex::from_wire(reader.i32()?).ok_or(unexpected("partition"))
        })?;
        Ok((topic_id, partitions))
    }

    fn push(&self, writer: &mut FieldWriter) {
        self.push_partitions(writer);
        let epochs = self.assignment_epochs.as_deref().map(|epochs| {
            FieldWriter::tagged(|field| {
                field.array(epochs, "assignment epochs", |field, epoch| field.i32(*epoch));
            })
        });
        writer.tags(&[(FIRST_TAG, epochs)]);
    }

    fn push_partitions(&self, writer: &mut FieldWriter) {
        writer.raw(&self.topic_id.bytes());
        writer.array(&self.partitions, "partitions", |writer, index| writer.i32(index.get()));
    }
}

impl RegularExpressionValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = value_of("regular expression", bytes)?;
        let value = Self {
            topics: take_texts(&mut reader, "topics")?,
            version: reader.i64()?,
            timestamp_ms: reader.i64()?,
        };
        reader.no_tags()?;
        reader.end("value")?;
        Ok(value)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        push_texts(&mut writer, &self.topics, "topics");
        writer.i64(self.version);
        writer.i64(self.timestamp_ms);
        writer.tags(&[]);
        writer.finish()
    }
}

fn value_of<'a>(what: &'static str, bytes: &'a [u8]) -> Result<FieldReader<'a>, FieldError> {
    FieldReader::value(bytes, what, 0, 0).map(|(reader, _)| reader)
}

/// A number in the first tag, 0 when it is left out.
fn take_tagged_i64(reader: &mut FieldReader<'_>) -> Result<i64, FieldError> {
    let mut value = 0;
    reader.tags(|tag, reader| {
        if tag == FIRST_TAG {
            value = reader.i64()?;
        }
        Ok(())
    })?;
    Ok(value)
}

fn push_tagged_i64(writer: &mut FieldWriter, value: i64) {
    let field = (value != 0).then(|| FieldWriter::tagged(|field| field.i64(value)));
    writer.tags(&[(FIRST_TAG, field)]);
}

fn take_texts(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Vec<String>, FieldError> {
    reader.array(name, |reader| reader.string(name))
}

fn push_texts(writer: &mut FieldWriter, texts: &[String], name: &'static str) {
    writer.array(texts, name, |writer, text| writer.text(text, name));
}

const FIRST_TAG: u32 = 0;
const NULL: i8 = 0;
const PRESENT: i8 = 1;
