//! Requests about consumer groups to a source: which there are, what they committed, and who
//! coordinates them.

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, ListGroupsRequest, OffsetFetchRequest,
    OffsetFetchResponse,
};
use kafka_protocol::protocol::{Request, StrBytes};
use kafka_wire::partition::{BrokerId, TopicName};
use mirror_uring::BrokerAddress;

use super::SourceClient;
use crate::source_connection::{SourceError, error_name};

/// A group as a broker lists it; values are a peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceGroup {
    pub(crate) id: String,
    /// `consumer` for consumers; empty for a group that never had members.
    pub(crate) protocol_type: String,
    /// As KIP-848 names it; empty from a broker that knows one type only.
    pub(crate) group_type: String,
}

/// What a group committed, or the error code that was told instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceGroupOffsets {
    pub(crate) group: String,
    pub(crate) outcome: Result<Vec<SourceGroupOffset>, i16>,
}

/// One partition's committed offset; numbers are as they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceGroupOffset {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    /// -1 for none.
    pub(crate) offset: i64,
    /// -1 for unknown.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) error_code: i16,
}

impl SourceClient {
    /// The groups that a broker coordinates: of these types, or all; types are known from Apache
    /// Kafka 3.8 on.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub(crate) async fn list_groups(
        &mut self,
        broker: BrokerId,
        types: &[&'static str],
    ) -> Result<Vec<SourceGroup>, SourceError> {
        let address = self.address_of(broker)?;
        let types = types.iter().map(|name| StrBytes::from_static_str(name));
        let request = ListGroupsRequest::default().with_types_filter(types.collect());
        let response = self.call(&address, &request, LIST_GROUPS_NEWEST).await?;
        if response.error_code != 0 {
            return Err(refused(broker, "ListGroups", response.error_code));
        }
        let group =
            |group: kafka_protocol::messages::list_groups_response::ListedGroup| SourceGroup {
                id: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                group_type: group.group_type.to_string(),
            };
        Ok(response.groups.into_iter().map(group).collect())
    }

    /// What groups committed of the topics that `wants` lets pass, by their names here, as the
    /// broker that coordinates them tells it. One request when the broker takes many groups at a
    /// time.
    ///
    /// # Errors
    /// When the broker cannot be asked; what it refuses of one group is among the answers.
    pub(crate) async fn group_offsets(
        &mut self,
        broker: BrokerId,
        groups: &[String],
        wants: &(impl Fn(&TopicName) -> bool + Sync),
    ) -> Result<Vec<SourceGroupOffsets>, SourceError> {
        let address = self.address_of(broker)?;
        let prefix = self.prefix().clone();
        let here = |name: &str| prefix.name_here(name).ok().filter(|name| wants(name));
        let newest = OFFSET_FETCH_NEWEST;
        let version = self.version::<OffsetFetchRequest>(&address, newest).await?;
        if version >= OFFSET_FETCH_OF_MANY {
            let asked = |group: &String| {
                let id = StrBytes::from_string(group.clone()).into();
                OffsetFetchRequestGroup::default().with_group_id(id).with_topics(None)
            };
            let request =
                OffsetFetchRequest::default().with_groups(groups.iter().map(asked).collect());
            let response = self.call(&address, &request, version).await?;
            return Ok(many(response, &here));
        }
        let mut answers = Vec::with_capacity(groups.len());
        for group in groups {
            let id = StrBytes::from_string(group.clone()).into();
            let request = OffsetFetchRequest::default().with_group_id(id).with_topics(None);
            let response = self.call(&address, &request, version).await?;
            answers.push(one(group.clone(), response, &here));
        }
        Ok(answers)
    }

    /// Who coordinates each of these groups; the error code where nobody does now.
    ///
    /// # Errors
    /// When no broker can be asked.
    pub(crate) async fn coordinators(
        &mut self,
        groups: &[String],
    ) -> Result<Vec<(String, Result<BrokerId, i16>)>, SourceError> {
        let Some(address) = self.addresses_to_ask().into_iter().next() else {
            return Err(SourceError::NoBootstrap { reasons: Vec::new() });
        };
        let newest = FIND_COORDINATOR_NEWEST;
        let version = self.version::<FindCoordinatorRequest>(&address, newest).await?;
        let key = |group: &String| StrBytes::from_string(group.clone());
        if version >= FIND_COORDINATORS_OF_MANY {
            let keys = groups.iter().map(key).collect();
            let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
            let response = self.call(&address, &request, version).await?;
            return Ok(found_many(response));
        }
        let mut found = Vec::with_capacity(groups.len());
        for group in groups {
            let request = FindCoordinatorRequest::default().with_key(key(group));
            let response = self.call(&address, &request, version).await?;
            let broker = coordinator(response.error_code, response.node_id.0);
            found.push((group.clone(), broker));
        }
        Ok(found)
    }

    pub(super) fn address_of(&self, broker: BrokerId) -> Result<BrokerAddress, SourceError> {
        let address = self.brokers.get(&broker).cloned();
        address.ok_or_else(|| refused(broker, "everything", BROKER_NOT_AVAILABLE))
    }

    /// The version of request `R` that a broker and we speak.
    pub(super) async fn version<R: Request>(
        &mut self,
        address: &BrokerAddress,
        newest: i16,
    ) -> Result<i16, SourceError> {
        self.connection(address).await?.version::<R>(newest)
    }
}

fn many(
    response: OffsetFetchResponse,
    here: &impl Fn(&str) -> Option<TopicName>,
) -> Vec<SourceGroupOffsets> {
    // An error of the whole answer is one of every group in it.
    let of_all = response.error_code;
    let groups = response.groups.into_iter().map(|group| {
        let code = if group.error_code == 0 { of_all } else { group.error_code };
        let outcome = match code {
            0 => Ok(group.topics.into_iter().flat_map(|topic| offsets(topic, here)).collect()),
            code => Err(code),
        };
        SourceGroupOffsets { group: group.group_id.to_string(), outcome }
    });
    groups.collect()
}

fn offsets(
    topic: OffsetFetchResponseTopics,
    here: &impl Fn(&str) -> Option<TopicName>,
) -> Vec<SourceGroupOffset> {
    let Some(name) = here(&topic.name) else { return Vec::new() };
    let offset =
        |one: kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartitions| {
            SourceGroupOffset {
                topic: name.clone(),
                partition: one.partition_index,
                offset: one.committed_offset,
                leader_epoch: one.committed_leader_epoch,
                metadata: one.metadata.map_or_else(String::new, |text| text.to_string()),
                error_code: one.error_code,
            }
        };
    topic.partitions.into_iter().map(offset).collect()
}

fn one(
    group: String,
    response: OffsetFetchResponse,
    here: &impl Fn(&str) -> Option<TopicName>,
) -> SourceGroupOffsets {
    if response.error_code != 0 {
        return SourceGroupOffsets { group, outcome: Err(response.error_code) };
    }
    let topics = response.topics.into_iter();
    let told = topics.flat_map(|topic| old_offsets(topic, here)).collect();
    SourceGroupOffsets { group, outcome: Ok(told) }
}

fn old_offsets(
    topic: OffsetFetchResponseTopic,
    here: &impl Fn(&str) -> Option<TopicName>,
) -> Vec<SourceGroupOffset> {
    let Some(name) = here(&topic.name) else { return Vec::new() };
    let offset =
        |one: kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition| {
            SourceGroupOffset {
                topic: name.clone(),
                partition: one.partition_index,
                offset: one.committed_offset,
                leader_epoch: one.committed_leader_epoch,
                metadata: one.metadata.map_or_else(String::new, |text| text.to_string()),
                error_code: one.error_code,
            }
        };
    topic.partitions.into_iter().map(offset).collect()
}

fn found_many(response: FindCoordinatorResponse) -> Vec<(String, Result<BrokerId, i16>)> {
    let found = response.coordinators.into_iter();
    found.map(|one| (one.key.to_string(), coordinator(one.error_code, one.node_id.0))).collect()
}

fn coordinator(error_code: i16, node_id: i32) -> Result<BrokerId, i16> {
    match BrokerId::from_wire(node_id) {
        Some(broker) if error_code == 0 => Ok(broker),
        None if error_code == 0 => Err(COORDINATOR_NOT_AVAILABLE),
        _ => Err(error_code),
    }
}

fn refused(broker: BrokerId, request: &str, code: i16) -> SourceError {
    SourceError::Refused {
        address: format!("broker {broker}"),
        request: request.to_owned(),
        error: error_name(code),
        code,
    }
}

const LIST_GROUPS_NEWEST: i16 = 5;
/// Version 10 names topics by their ids.
const OFFSET_FETCH_NEWEST: i16 = 9;
/// From this version on a request names many groups.
const OFFSET_FETCH_OF_MANY: i16 = 8;
const FIND_COORDINATOR_NEWEST: i16 = 4;
const FIND_COORDINATORS_OF_MANY: i16 = 4;
const BROKER_NOT_AVAILABLE: i16 = 8;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
