//! Answers to everything but Fetch.

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeClusterResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::cluster::{Cluster, State, Topic};
use super::fetch::{UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, leadership_error};

/// The requests the source answers, with the versions it knows.
const VERSIONS: [(ApiKey, i16, i16); 7] = [
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 9),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::DescribeCluster, 0, 2),
];

/// Kafka's `UNSUPPORTED_VERSION`.
const UNSUPPORTED_VERSION: i16 = 35;
/// Timestamps with a meaning in ListOffsets.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The versions this source announces for `key`.
pub(crate) fn announced(cluster: &Cluster, key: ApiKey) -> Option<(i16, i16)> {
    let (_, min, max) = VERSIONS.into_iter().find(|(known, _, _)| *known == key)?;
    let cap = cluster.version_max.iter().find(|(capped, _)| *capped == key);
    Some((min, cap.map_or(max, |(_, cap)| max.min(*cap))))
}

/// The response frame for a request other than Fetch, length prefix included.
pub(crate) fn answer(
    cluster: &Cluster,
    broker: i32,
    header: &RequestHeader,
    body: &mut Bytes,
) -> Result<BytesMut> {
    let Ok(key) = ApiKey::try_from(header.request_api_key) else {
        bail!("request of unknown kind {}", header.request_api_key);
    };
    let version = header.request_api_version;
    let supported = announced(cluster, key);
    let is_supported = supported.is_some_and(|(min, max)| (min..=max).contains(&version));
    if key == ApiKey::ApiVersions {
        // A broker answers an unknown version of this request in version 0, with error 35.
        let answer = api_versions(cluster, if is_supported { 0 } else { UNSUPPORTED_VERSION });
        return encode(header, key, if is_supported { version } else { 0 }, &answer);
    }
    if !is_supported {
        bail!("{key:?} version {version} is not announced");
    }
    let state = cluster.state();
    match key {
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(body, version)?;
            encode(header, key, version, &metadata(cluster, &state, &request, version))
        }
        ApiKey::ListOffsets => {
            let request = ListOffsetsRequest::decode(body, version)?;
            encode(header, key, version, &list_offsets(&state, broker, &request, version))
        }
        ApiKey::OffsetForLeaderEpoch => {
            let request = OffsetForLeaderEpochRequest::decode(body, version)?;
            encode(header, key, version, &epoch_ends(&state, broker, &request))
        }
        ApiKey::DescribeConfigs => {
            let request = DescribeConfigsRequest::decode(body, version)?;
            encode(header, key, version, &describe_configs(&state, &request))
        }
        ApiKey::DescribeCluster => encode(header, key, version, &describe_cluster(cluster)),
        _ => bail!("{key:?} is announced but not answered"),
    }
}

fn encode(
    header: &RequestHeader,
    key: ApiKey,
    version: i16,
    response: &impl Encodable,
) -> Result<BytesMut> {
    let mut frame = BytesMut::zeroed(size_of::<i32>());
    let reply = ResponseHeader::default().with_correlation_id(header.correlation_id);
    reply.encode(&mut frame, key.response_header_version(version))?;
    response.encode(&mut frame, version)?;
    let length = i32::try_from(frame.len() - size_of::<i32>())?;
    frame[..size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

fn api_versions(cluster: &Cluster, error: i16) -> ApiVersionsResponse {
    let keys = VERSIONS.into_iter().filter_map(|(key, _, _)| {
        let (min, max) = announced(cluster, key)?;
        // The discriminant of the enum is the key on the wire.
        let version = ApiVersion::default().with_api_key(key as i16);
        Some(version.with_min_version(min).with_max_version(max))
    });
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(keys.collect())
}

fn metadata(
    cluster: &Cluster,
    state: &State,
    request: &MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let brokers = cluster.brokers.iter().map(|broker| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(broker.id))
            .with_host(text(&broker.host))
            .with_port(i32::from(broker.port))
    });
    let asked = request.topics.as_ref().filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => state.topics.iter().map(|topic| topic_metadata(topic, version)).collect(),
        Some(asked) => asked
            .iter()
            .map(|topic| match &topic.name {
                Some(name) => state.topic(name).map_or_else(
                    || {
                        MetadataResponseTopic::default()
                            .with_name(Some(name.clone()))
                            .with_error_code(UNKNOWN_TOPIC_OR_PARTITION)
                    },
                    |found| topic_metadata(found, version),
                ),
                None => state.topic_with_id(topic.topic_id).map_or_else(
                    || {
                        MetadataResponseTopic::default()
                            .with_name(None)
                            .with_topic_id(topic.topic_id)
                            .with_error_code(UNKNOWN_TOPIC_ID)
                    },
                    |found| topic_metadata(found, version),
                ),
            })
            .collect(),
    };
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(text(&cluster.cluster_id)))
        .with_controller_id(BrokerId(cluster.brokers.first().map_or(-1, |broker| broker.id)))
        .with_topics(topics)
}

fn topic_metadata(topic: &Topic, version: i16) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, partition)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(partition.leader))
            .with_leader_epoch(if version >= 7 { partition.log.epoch() } else { -1 })
            .with_replica_nodes(vec![BrokerId(partition.leader)])
            .with_isr_nodes(vec![BrokerId(partition.leader)])
    });
    let answer = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(topic.spec.name.as_str()))))
        .with_partitions(partitions.collect());
    if version >= 10 { answer.with_topic_id(topic.id) } else { answer }
}

fn list_offsets(
    state: &State,
    broker: i32,
    request: &ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let is_committed = request.isolation_level == 1;
    let topics = request.topics.iter().map(|asked| {
        let found = state.topic(&asked.name);
        let partitions = asked.partitions.iter().map(|asked| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_timestamp(-1)
                .with_offset(-1)
                .with_leader_epoch(-1);
            let Some(partition) = found.and_then(|topic| topic.partition(asked.partition_index))
            else {
                return answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
            };
            let error = leadership_error(partition, broker, asked.current_leader_epoch);
            if error != 0 {
                return answer.with_error_code(error);
            }
            let log = &partition.log;
            let offset = match asked.timestamp {
                LATEST if is_committed => log.last_stable(),
                LATEST => log.end(),
                EARLIEST => log.start(),
                _ => return answer,
            };
            let epoch = if version >= 4 { log.epoch_at(offset) } else { -1 };
            answer.with_offset(offset).with_leader_epoch(epoch)
        });
        ListOffsetsTopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn epoch_ends(
    state: &State,
    broker: i32,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|asked| {
        let found = state.topic(&asked.topic);
        let partitions = asked.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            let Some(partition) = found.and_then(|topic| topic.partition(asked.partition)) else {
                return answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
            };
            let error = leadership_error(partition, broker, asked.current_leader_epoch);
            if error != 0 {
                return answer.with_error_code(error);
            }
            let (epoch, end_offset) = partition.log.epoch_end(asked.leader_epoch);
            answer.with_leader_epoch(epoch).with_end_offset(end_offset)
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(asked.topic.clone())
            .with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn describe_configs(state: &State, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let found = (resource.resource_type == TOPIC_RESOURCE)
            .then(|| state.topic(&resource.resource_name))
            .flatten();
        let Some(topic) = found else {
            return answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
        };
        let wanted = |name: &str| {
            let keys = resource.configuration_keys.as_ref();
            keys.is_none_or(|keys| keys.iter().any(|key| &**key == name))
        };
        let overridden = |name: &str| topic.spec.configs.iter().any(|(key, _)| key == name);
        let own = topic.spec.configs.iter().map(|(key, value)| config(key, value, TOPIC_SOURCE));
        let defaults = TOPIC_DEFAULTS
            .iter()
            .filter(|(key, _)| !overridden(key))
            .map(|(key, value)| config(key, value, DEFAULT_SOURCE));
        answer.with_configs(own.chain(defaults).filter(|each| wanted(&each.name)).collect())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn config(name: &str, value: &str, source: i8) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source)
}

fn describe_cluster(cluster: &Cluster) -> DescribeClusterResponse {
    let brokers = cluster.brokers.iter().map(|broker| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(broker.id))
            .with_host(text(&broker.host))
            .with_port(i32::from(broker.port))
    });
    DescribeClusterResponse::default()
        .with_cluster_id(text(&cluster.cluster_id))
        .with_controller_id(BrokerId(cluster.brokers.first().map_or(-1, |broker| broker.id)))
        .with_brokers(brokers.collect())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;
/// `ConfigSource.TOPIC_CONFIG`.
const TOPIC_SOURCE: i8 = 1;
/// `ConfigSource.DEFAULT_CONFIG`.
const DEFAULT_SOURCE: i8 = 5;
/// The defaults a mirror asks for.
const TOPIC_DEFAULTS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("max.message.bytes", "1048588"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.index.bytes", "10485760"),
];
