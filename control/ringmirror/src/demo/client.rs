//! The demonstration's client: makes a topic, fills it, and reads as a member of a group.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, CreateTopicsRequest, FetchRequest,
    GroupId, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    ProduceRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use mirror_node::client_properties::ClientProperties;
use mirror_node::source_connection::{SourceConnection, error_name};
use mirror_uring::BrokerAddress;

/// A connection to one node.
pub(super) struct DemoClient {
    connection: SourceConnection,
}

/// A membership in a group whose only member this is.
pub(super) struct Membership {
    member_id: StrBytes,
    generation: i32,
}

impl DemoClient {
    pub(super) async fn connect(address: &BrokerAddress) -> Result<Self> {
        let properties = ClientProperties::default();
        Ok(Self { connection: SourceConnection::connect(address, &properties).await? })
    }

    pub(super) async fn create_topic(&mut self, partitions: i32) -> Result<()> {
        let topic = CreatableTopic::default()
            .with_name(topic())
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request =
            CreateTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic]);
        let answer = self.connection.call(&request, 5).await?;
        let found = answer.topics.first().context("no topic in the answer to CreateTopics")?;
        check("CreateTopics", found.error_code)
    }

    /// Produces one batch to each of the partitions.
    pub(super) async fn produce(&mut self, partitions: &[i32], batch: &Bytes) -> Result<()> {
        let data = partitions.iter().map(|index| {
            PartitionProduceData::default().with_index(*index).with_records(Some(batch.clone()))
        });
        let topic =
            TopicProduceData::default().with_name(topic()).with_partition_data(data.collect());
        let request = ProduceRequest::default()
            .with_acks(1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        let answer = self.connection.call(&request, 8).await?;
        for found in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
            check("Produce", found.error_code)?;
        }
        Ok(())
    }

    /// Joins the group, which nobody else may be in, and takes all partitions.
    pub(super) async fn join(&mut self, partitions: i32) -> Result<Membership> {
        let subscription = ConsumerProtocolSubscription::default().with_topics(vec![topic().0]);
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(versioned(&subscription)?);
        let mut request = JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(TIMEOUT_MS)
            .with_rebalance_timeout_ms(TIMEOUT_MS)
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let mut answer = self.connection.call(&request, 5).await?;
        if answer.error_code == MEMBER_ID_REQUIRED {
            request = request.with_member_id(answer.member_id);
            answer = self.connection.call(&request, 5).await?;
        }
        check("JoinGroup", answer.error_code)?;
        ensure!(answer.leader == answer.member_id, "somebody else is in the group of the demo");
        let assigned = TopicPartition::default()
            .with_topic(topic())
            .with_partitions((0..partitions).collect());
        let assignment =
            ConsumerProtocolAssignment::default().with_assigned_partitions(vec![assigned]);
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(answer.member_id.clone())
            .with_assignment(versioned(&assignment)?);
        let request = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(answer.generation_id)
            .with_member_id(answer.member_id.clone())
            .with_assignments(vec![assignment]);
        let synced = self.connection.call(&request, 3).await?;
        check("SyncGroup", synced.error_code)?;
        Ok(Membership { member_id: answer.member_id, generation: answer.generation_id })
    }

    /// Where the group goes on in a partition; `None` when it committed nothing.
    pub(super) async fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        let asked = OffsetFetchRequestTopic::default()
            .with_name(topic())
            .with_partition_indexes(vec![partition]);
        let request =
            OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![asked]));
        let answer = self.connection.call(&request, 5).await?;
        check("OffsetFetch", answer.error_code)?;
        let found = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
        let found = found.context("no partition in the answer to OffsetFetch")?;
        check("OffsetFetch", found.error_code)?;
        Ok(Some(found.committed_offset).filter(|offset| *offset >= 0))
    }

    /// Commits an offset, as a member or, for a group without members, as nobody.
    pub(super) async fn commit(
        &mut self,
        member: Option<&Membership>,
        partition: i32,
        offset: i64,
    ) -> Result<()> {
        let place = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset);
        let place =
            OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![place]);
        let mut request = OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![place]);
        if let Some(member) = member {
            request = request
                .with_generation_id_or_member_epoch(member.generation)
                .with_member_id(member.member_id.clone());
        }
        let answer = self.connection.call(&request, 6).await?;
        for found in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            check("OffsetCommit", found.error_code)?;
        }
        Ok(())
    }

    pub(super) async fn leave(&mut self, member: Membership) -> Result<()> {
        let request =
            LeaveGroupRequest::default().with_group_id(group()).with_member_id(member.member_id);
        let answer = self.connection.call(&request, 1).await?;
        check("LeaveGroup", answer.error_code)
    }

    /// The records of the batch that holds `offset`, as they lie in the log.
    pub(super) async fn fetch(&mut self, partition: i32, offset: i64) -> Result<Bytes> {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1);
        let asked = FetchTopic::default().with_topic(topic()).with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_max_wait_ms(TIMEOUT_MS)
            .with_min_bytes(1)
            .with_max_bytes(1)
            .with_isolation_level(1)
            .with_topics(vec![asked]);
        let answer = self.connection.call(&request, 11).await?;
        check("Fetch", answer.error_code)?;
        let found = answer.responses.iter().flat_map(|topic| &topic.partitions).next();
        let found = found.context("no partition in the answer to Fetch")?;
        check("Fetch", found.error_code)?;
        match &found.records {
            Some(records) if !records.is_empty() => Ok(records.clone()),
            _ => bail!("no record at offset {offset} of partition {partition}"),
        }
    }
}

/// A message of the consumer protocol, with its version in front.
fn versioned(message: &impl kafka_protocol::protocol::Encodable) -> Result<Bytes> {
    let mut bytes = BytesMut::from(&0_i16.to_be_bytes()[..]);
    message.encode(&mut bytes, 0)?;
    Ok(bytes.freeze())
}

fn check(request: &str, error_code: i16) -> Result<()> {
    ensure!(error_code == 0, "{request} is answered {}", error_name(error_code));
    Ok(())
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str(super::TOPIC))
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("demo-readers"))
}

const TIMEOUT_MS: i32 = 30_000;
/// MEMBER_ID_REQUIRED
const MEMBER_ID_REQUIRED: i16 = 79;
