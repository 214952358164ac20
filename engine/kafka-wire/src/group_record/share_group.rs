//! Values of share groups (KIP-932); both of version 0 and compact.
//!
//! ```text
//!  11  epoch i32, metadataHash i64
//!  15  initializingTopics, initializedTopics: [topicId, topicName, partitions: [i32]],
//!      deletingTopics: [topicId, topicName]
//! ```

use crate::fields::{FieldError, FieldReader, FieldWriter, unexpected};
use crate::partition::{PartitionIndex, TopicId, TopicName};

/// A share group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareGroupValue {
    /// Group epoch: rises with every change of members or topics.
    pub epoch: i32,
    /// Hash of the topics subscribed to, 0 for none.
    pub metadata_hash: i64,
}

/// Of which partitions a share group has a state in `__share_group_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharePartitionsValue {
    /// Those whose state is being written for the first time.
    pub initializing: Vec<SharedTopic>,
    /// Those that have one.
    pub initialized: Vec<SharedTopic>,
    /// Topics whose states are being deleted.
    pub deleting: Vec<(TopicId, TopicName)>,
}

/// Partitions of a topic that a share group reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTopic {
    /// The topic.
    pub topic_id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

impl ShareGroupValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let (mut reader, _) = FieldReader::value(bytes, "share group", 0, 0)?;
        let (epoch, metadata_hash) = (reader.i32()?, reader.i64()?);
        reader.no_tags()?;
        reader.end("value")?;
        Ok(Self { epoch, metadata_hash })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.i32(self.epoch);
        writer.i64(self.metadata_hash);
        writer.tags(&[]);
        writer.finish()
    }
}

impl SharePartitionsValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let (mut reader, _) = FieldReader::value(bytes, "share group's partitions", 0, 0)?;
        let initializing = reader.array("initializing topics", SharedTopic::take)?;
        let initialized = reader.array("initialized topics", SharedTopic::take)?;
        let deleting = reader.array("deleting topics", |reader| {
            let topic = take_topic(reader)?;
            reader.no_tags()?;
            Ok(topic)
        })?;
        reader.no_tags()?;
        reader.end("value")?;
        Ok(Self { initializing, initialized, deleting })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::flexible(0);
        writer.array(&self.initializing, "initializing topics", SharedTopic::push);
        writer.array(&self.initialized, "initialized topics", SharedTopic::push);
        writer.array(&self.deleting, "deleting topics", |writer, (id, name)| {
            writer.id(id.bytes());
            writer.text(name.as_str(), "topic");
            writer.tags(&[]);
        });
        writer.tags(&[]);
        writer.finish()
    }
}

impl SharedTopic {
    fn take(reader: &mut FieldReader<'_>) -> Result<Self, FieldError> {
        let (topic_id, name) = take_topic(reader)?;
        let partitions = reader.array("partitions", |reader| {
            PartitionIndex::from_wire(reader.i32()?).ok_or(unexpected("partition"))
        })?;
        reader.no_tags()?;
        Ok(Self { topic_id, name, partitions })
    }

    fn push(writer: &mut FieldWriter, topic: &Self) {
        writer.id(topic.topic_id.bytes());
        writer.text(topic.name.as_str(), "topic");
        writer.array(&topic.partitions, "partitions", |writer, index| writer.i32(index.get()));
        writer.tags(&[]);
    }
}

fn take_topic(reader: &mut FieldReader<'_>) -> Result<(TopicId, TopicName), FieldError> {
    let id = TopicId::from_wire(reader.id()?).ok_or(unexpected("topic id"))?;
    let name = TopicName::parse(&reader.string("topic")?).ok_or(unexpected("topic"))?;
    Ok((id, name))
}
