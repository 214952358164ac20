//! The control thread's view of the source cluster: metadata, topic configs, offsets, and single
//! fetches for verification. Records for mirroring never pass here.
//!
//! Topics go by the names that they have here; the source may know them without a prefix
//! ([`TopicPrefix`]), which is put before them and taken off in this file and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    DescribeConfigsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse,
    TopicName as WireTopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId, TopicName, TopicPartition};
use mirror_coordinator::topic_prefix::{NoName, TopicPrefix};
use mirror_uring::BrokerAddress;
use tokio::time::timeout;

use crate::client_properties::ClientProperties;
use crate::source_connection::{FRAME_BYTES_MAX, SourceConnection, SourceError, error_name};

pub(crate) mod acls;
pub(crate) mod groups;
pub mod mirrors;
pub(crate) mod rights;
mod share_groups;
mod topic_ids;

/// Asks a source cluster; connections are made when needed and kept.
#[derive(Debug)]
pub struct SourceClient {
    properties: ClientProperties,
    connections: BTreeMap<BrokerAddress, SourceConnection>,
    brokers: BTreeMap<BrokerId, BrokerAddress>,
    /// Longer responses are not taken.
    response_bytes_max: u32,
}

/// What the source says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMetadata {
    /// Id of the cluster; very old brokers tell none.
    pub cluster_id: Option<String>,
    /// Where its brokers listen.
    pub brokers: BTreeMap<BrokerId, BrokerAddress>,
    /// Every topic the source lets us see, by its name here.
    pub topics: BTreeMap<TopicName, SourceTopic>,
    /// Topics whose names would be too long here, by their names at the source.
    pub too_long: Vec<String>,
}

/// A topic at the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// Its id; `None` when the source has no topic ids (before 2.8).
    pub topic_id: Option<TopicId>,
    /// True for the cluster's own topics.
    pub is_internal: bool,
    /// Its partitions, by index.
    pub partitions: BTreeMap<PartitionIndex, SourceLeader>,
}

/// Who leads a partition at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLeader {
    /// The broker, `None` during an election.
    pub leader: Option<BrokerId>,
    /// Its epoch, `None` when the source does not tell.
    pub epoch: Option<SourceLeaderEpoch>,
}

/// Which end of a partition to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEdge {
    /// First offset kept.
    Start,
    /// High watermark: consumers see nothing beyond it.
    End,
}

impl SourceTopic {
    /// How many partitions it has.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// One answer to a fetch of one partition.
#[derive(Clone, Debug)]
pub struct FetchedRecords {
    /// Batches as stored, the last one perhaps cut off.
    pub records: Bytes,
    /// First offset the source keeps, when it tells.
    pub log_start: Option<LogStartOffset>,
    /// High watermark of the source.
    pub log_end: Option<LogEndOffset>,
}

/// A partition to fetch for verification.
#[derive(Clone, Debug)]
pub struct FetchTarget {
    /// Its name.
    pub name: TopicPartition,
    /// The broker that leads it.
    pub leader: BrokerId,
}

impl SourceClient {
    /// A client of the cluster behind `properties.bootstrap_servers`; connects nothing yet.
    #[must_use]
    pub fn new(properties: ClientProperties) -> Self {
        Self {
            properties,
            connections: BTreeMap::new(),
            brokers: BTreeMap::new(),
            response_bytes_max: FRAME_BYTES_MAX,
        }
    }

    /// The same, for answers of so many bytes at most.
    #[must_use]
    pub(crate) fn with_responses_up_to(self, response_bytes_max: u32) -> Self {
        Self { response_bytes_max, ..self }
    }

    /// Asks for every topic; any broker can answer.
    ///
    /// # Errors
    /// When no broker and no bootstrap server answers: every reason.
    pub async fn metadata(&mut self) -> Result<SourceMetadata, SourceError> {
        // Version 3 and older can say nothing else about creation; asking for all creates none.
        let request =
            MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(true);
        let mut reasons = Vec::new();
        for address in self.addresses_to_ask() {
            match self.call(&address, &request, METADATA_NEWEST).await {
                Ok(response) => {
                    let metadata = parse_metadata(&response, self.prefix());
                    self.brokers.clone_from(&metadata.brokers);
                    return Ok(metadata);
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(SourceError::NoBootstrap { reasons })
    }

    /// Settings explicitly made for each topic; defaults are not among them.
    ///
    /// # Errors
    /// When no broker answers; a topic the source refuses to describe is among the answers.
    pub async fn topic_configs(
        &mut self,
        topics: &[TopicName],
    ) -> Result<TopicConfigs, SourceError> {
        let mut told = TopicConfigs::default();
        for some in topics.chunks(CONFIGS_PER_REQUEST) {
            let resource = |topic: &TopicName| {
                DescribeConfigsResource::default()
                    .with_resource_type(TOPIC_RESOURCE)
                    .with_resource_name(StrBytes::from_string(topic.to_string()))
                    .with_configuration_keys(None)
            };
            let at_source = some.iter().filter_map(|topic| self.prefix().name_at_source(topic));
            let resources = at_source.map(|topic| resource(&topic)).collect();
            let request = DescribeConfigsRequest::default().with_resources(resources);
            let response = self.call_any(&request, DESCRIBE_CONFIGS_NEWEST).await?;
            for result in response.results {
                let Ok(topic) = self.prefix().name_here(&result.resource_name) else { continue };
                if result.error_code != 0 {
                    told.refused.insert(topic, error_name(result.error_code));
                    continue;
                }
                let explicit = result.configs.into_iter().filter(|config| {
                    config.config_source == DYNAMIC_TOPIC_CONFIG && !config.is_sensitive
                });
                let pairs = explicit.filter_map(|config| {
                    Some((config.name.to_string(), config.value?.to_string()))
                });
                told.configs.insert(topic, pairs.collect());
            }
        }
        Ok(told)
    }

    /// Asks each partition's leader for one end of its log. Partitions without a leader, or whose
    /// leader refuses, are missing from the answer; the reasons come with it.
    ///
    /// # Errors
    /// When a leader cannot be reached.
    pub async fn list_offsets(
        &mut self,
        partitions: &BTreeMap<TopicPartition, BrokerId>,
        edge: LogEdge,
    ) -> Result<ListedOffsets, SourceError> {
        let mut by_leader: BTreeMap<BrokerId, BTreeMap<TopicName, Vec<PartitionIndex>>> =
            BTreeMap::new();
        for (name, leader) in partitions {
            let Some(topic) = self.prefix().name_at_source(&name.topic) else { continue };
            let topics = by_leader.entry(*leader).or_default();
            topics.entry(topic).or_default().push(name.partition);
        }
        let mut listed = ListedOffsets::default();
        for (leader, topics) in by_leader {
            let Some(address) = self.brokers.get(&leader).cloned() else { continue };
            let request = list_offsets_request(&topics, edge);
            let response = self.call(&address, &request, LIST_OFFSETS_NEWEST).await?;
            for topic in &response.topics {
                let Ok(name) = self.prefix().name_here(&topic.name) else { continue };
                for answer in &topic.partitions {
                    listed.take(&name, answer.partition_index, answer.error_code, answer.offset);
                }
            }
        }
        Ok(listed)
    }

    /// Fetches whole batches of one partition from `offset` on, as a consumer would.
    ///
    /// # Errors
    /// When the leader cannot be reached or refuses.
    pub async fn fetch(
        &mut self,
        target: &FetchTarget,
        offset: Offset,
        bytes_max: i32,
    ) -> Result<FetchedRecords, SourceError> {
        let Some(address) = self.brokers.get(&target.leader).cloned() else {
            return Err(SourceError::NoLeader { partition: target.name.to_string() });
        };
        let Some(topic) = self.prefix().name_at_source(&target.name.topic) else {
            return Err(SourceError::NoLeader { partition: target.name.to_string() });
        };
        let request = fetch_request(&topic, target.name.partition, offset, bytes_max);
        let mut response = self.call(&address, &request, FETCH_NEWEST).await?;
        let refused = |code| SourceError::Refused {
            address: format!("broker {}", target.leader),
            request: format!("Fetch of {} at {offset}", target.name),
            error: error_name(code),
            code,
        };
        if response.error_code != 0 {
            return Err(refused(response.error_code));
        }
        let first = response.responses.first_mut().and_then(|topic| topic.partitions.pop());
        let Some(data) = first else {
            return Err(refused(UNKNOWN_TOPIC_OR_PARTITION));
        };
        if data.error_code != 0 {
            return Err(refused(data.error_code));
        }
        Ok(FetchedRecords {
            records: data.records.unwrap_or_default(),
            log_start: Offset::from_wire(data.log_start_offset).map(LogStartOffset::new),
            log_end: Offset::from_wire(data.high_watermark).map(LogEndOffset::new),
        })
    }

    /// What names of topics begin with here, and not at the source.
    #[must_use]
    pub const fn prefix(&self) -> &TopicPrefix {
        &self.properties.topic_prefix
    }

    /// Known brokers first, those with a connection before the others, then the bootstrap servers.
    fn addresses_to_ask(&self) -> Vec<BrokerAddress> {
        let mut addresses: Vec<BrokerAddress> = Vec::new();
        let known = self.connections.keys().filter(|&address| self.is_known(address));
        for address in known.chain(self.brokers.values()).chain(&self.properties.bootstrap_servers)
        {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    fn is_known(&self, address: &BrokerAddress) -> bool {
        self.brokers.values().any(|broker| broker == address)
            || self.properties.bootstrap_servers.contains(address)
    }

    /// A client of the same brokers with connections of its own, which may be dropped at any time.
    pub(crate) fn with_own_connections(&self) -> Self {
        let new = Self::new(self.properties.clone());
        Self { brokers: self.brokers.clone(), response_bytes_max: self.response_bytes_max, ..new }
    }

    /// The brokers that answer a request for next to nothing, each within `patience`.
    pub(crate) async fn answering_brokers(&mut self, patience: Duration) -> Vec<BrokerId> {
        let request = MetadataRequest::default()
            .with_topics(Some(vec![]))
            .with_allow_auto_topic_creation(true);
        let mut answering = Vec::new();
        for (broker, address) in self.brokers.clone() {
            let asked = timeout(patience, self.call(&address, &request, METADATA_NEWEST)).await;
            match asked {
                Ok(Ok(_)) => answering.push(broker),
                Ok(Err(_)) => {}
                Err(_) => {
                    // The answer may still come, and would be taken for that of the next request.
                    self.connections.remove(&address);
                }
            }
        }
        answering
    }

    async fn call_any<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, SourceError> {
        let mut reasons = Vec::new();
        for address in self.addresses_to_ask() {
            match self.call(&address, request, newest).await {
                Ok(response) => return Ok(response),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(SourceError::NoBootstrap { reasons })
    }

    /// Calls one broker; a kept connection that the broker closed meanwhile is made anew, once.
    async fn call<R: Request>(
        &mut self,
        address: &BrokerAddress,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, SourceError> {
        let was_kept = self.connections.contains_key(address);
        match self.call_once(address, request, newest).await {
            Err(SourceError::Closed { .. }) if was_kept => {
                self.call_once(address, request, newest).await
            }
            outcome => outcome,
        }
    }

    async fn call_once<R: Request>(
        &mut self,
        address: &BrokerAddress,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, SourceError> {
        let connection = self.connection(address).await?;
        let version = connection.version::<R>(newest)?;
        let outcome = connection.call(request, version).await;
        if outcome.is_err() {
            self.connections.remove(address);
        }
        outcome
    }

    async fn connection(
        &mut self,
        address: &BrokerAddress,
    ) -> Result<&mut SourceConnection, SourceError> {
        if !self.connections.contains_key(address) {
            let mut connection = SourceConnection::connect(address, &self.properties).await?;
            connection.limit_responses(self.response_bytes_max);
            self.connections.insert(address.clone(), connection);
        }
        Ok(self.connections.get_mut(address).expect("inserted above when it was missing"))
    }
}

/// Settings of topics as the source told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfigs {
    /// Those explicitly made, by topic.
    pub configs: BTreeMap<TopicName, BTreeMap<String, String>>,
    /// Topics whose settings it does not show, with the name of the error.
    pub refused: BTreeMap<TopicName, String>,
}

/// Ends of logs as leaders told them, and what they refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedOffsets {
    /// Answers.
    pub offsets: BTreeMap<TopicPartition, Offset>,
    /// Protocol error codes.
    pub refused: BTreeMap<TopicPartition, i16>,
}

impl ListedOffsets {
    fn take(&mut self, topic: &TopicName, partition: i32, error_code: i16, offset: i64) {
        let Some(partition) = PartitionIndex::from_wire(partition) else { return };
        let name = TopicPartition { topic: topic.clone(), partition };
        match Offset::from_wire(offset) {
            Some(offset) if error_code == 0 => {
                self.offsets.insert(name, offset);
            }
            _ => {
                self.refused.insert(name, error_code);
            }
        }
    }
}

/// Reads a Metadata response; topics and partitions with values nobody can mean are left out.
fn parse_metadata(response: &MetadataResponse, prefix: &TopicPrefix) -> SourceMetadata {
    let broker = |broker: &kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
        let port = u16::try_from(broker.port).ok()?;
        let address = BrokerAddress { host: Arc::from(broker.host.as_str()), port };
        Some((BrokerId::from_wire(broker.node_id.0)?, address))
    };
    let (mut topics, mut too_long) = (BTreeMap::new(), Vec::new());
    for topic in &response.topics {
        let Some(at_source) = &topic.name else { continue };
        match prefix.name_here(at_source) {
            Ok(here) => topics.extend(parse_topic(topic).map(|topic| (here, topic))),
            Err(NoName::TooLong) => too_long.push(at_source.to_string()),
            Err(NoName::Internal | NoName::Illegal) => {}
        }
    }
    SourceMetadata {
        cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
        brokers: response.brokers.iter().filter_map(broker).collect(),
        topics,
        too_long,
    }
}

fn parse_topic(topic: &MetadataResponseTopic) -> Option<SourceTopic> {
    if topic.error_code != 0 && topic.partitions.is_empty() {
        return None;
    }
    let mut partitions = BTreeMap::new();
    for partition in &topic.partitions {
        let index = PartitionIndex::from_wire(partition.partition_index)?;
        let leader = BrokerId::from_wire(partition.leader_id.0);
        let epoch = SourceLeaderEpoch::from_wire(partition.leader_epoch);
        partitions.insert(index, SourceLeader { leader, epoch });
    }
    let topic_id = TopicId::from_wire(topic.topic_id.into_bytes());
    Some(SourceTopic { topic_id, is_internal: topic.is_internal, partitions })
}

fn list_offsets_request(
    topics: &BTreeMap<TopicName, Vec<PartitionIndex>>,
    edge: LogEdge,
) -> ListOffsetsRequest {
    let timestamp = match edge {
        LogEdge::Start => EARLIEST_TIMESTAMP,
        LogEdge::End => LATEST_TIMESTAMP,
    };
    let partition = |index: &PartitionIndex| {
        ListOffsetsPartition::default()
            .with_partition_index(index.get())
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp)
    };
    let topic = |(name, indexes): (&TopicName, &Vec<PartitionIndex>)| {
        ListOffsetsTopic::default()
            .with_name(wire_name(name))
            .with_partitions(indexes.iter().map(partition).collect())
    };
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(topics.iter().map(topic).collect())
}

fn fetch_request(
    topic: &TopicName,
    partition: PartitionIndex,
    offset: Offset,
    bytes_max: i32,
) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition.get())
        .with_fetch_offset(offset.get())
        .with_partition_max_bytes(bytes_max);
    let topic = FetchTopic::default().with_topic(wire_name(topic)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(FETCH_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(bytes_max)
        .with_topics(vec![topic])
}

fn wire_name(name: &TopicName) -> WireTopicName {
    StrBytes::from_string(name.to_string()).into()
}

/// Version 13 only adds an error code at the top.
const METADATA_NEWEST: i16 = 12;
const DESCRIBE_CONFIGS_NEWEST: i16 = 3;
/// Versions above add timestamps with a meaning for tiered storage.
const LIST_OFFSETS_NEWEST: i16 = 5;
/// By topic name, so that old sources are verified the same way; ids are compared by metadata.
const FETCH_NEWEST: i16 = 11;
const FETCH_WAIT_MS: i32 = 500;
const CONFIGS_PER_REQUEST: usize = 500;
/// ConfigResource.Type.TOPIC
const TOPIC_RESOURCE: i8 = 2;
/// DescribeConfigsResponse.ConfigSource.TOPIC_CONFIG
const DYNAMIC_TOPIC_CONFIG: i8 = 1;
const EARLIEST_TIMESTAMP: i64 = -2;
const LATEST_TIMESTAMP: i64 = -1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

#[cfg(test)]
mod tests;
