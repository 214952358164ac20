use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    DescribeConfigsResponse, FetchResponse, ListOffsetsResponse, MetadataResponse,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::check;

const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const DESCRIBE_CONFIGS: i16 = 32;

/// The whole response passes; every shorter one and a longer one do not.
fn check_all(key: i16, version: i16, response: &impl Encodable) {
    let mut body = BytesMut::new();
    response.encode(&mut body, version).unwrap();
    assert_eq!(check(key, version, &body), Ok(()), "key {key} version {version}");
    for bytes in 0..body.len() {
        assert!(check(key, version, &body[..bytes]).is_err(), "version {version}, {bytes} bytes");
    }
    body.extend_from_slice(&[0]);
    assert!(check(key, version, &body).is_err());
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

#[test]
fn metadata_of_every_version_used_is_walked_to_its_end() {
    let broker = MetadataResponseBroker::default().with_host(text("h")).with_port(1);
    let partition = MetadataResponsePartition::default()
        .with_replica_nodes(vec![1.into(), 2.into()])
        .with_isr_nodes(vec![1.into()]);
    let topic = MetadataResponseTopic::default()
        .with_name(Some(text("t").into()))
        .with_partitions(vec![partition.clone(), partition]);
    for version in 4..=12 {
        let topic = topic.clone();
        let response =
            MetadataResponse::default().with_brokers(vec![broker.clone()]).with_topics(vec![topic]);
        check_all(METADATA, version, &response);
    }
}

#[test]
fn configs_of_every_version_used_are_walked_to_their_end() {
    let synonym = DescribeConfigsSynonym::default().with_name(text("s")).with_value(None);
    let config = DescribeConfigsResourceResult::default()
        .with_name(text("n"))
        .with_value(Some(text("v")))
        .with_synonyms(vec![synonym]);
    let result = DescribeConfigsResult::default()
        .with_resource_name(text("t"))
        .with_configs(vec![config.clone(), config]);
    for version in 1..=3 {
        let response = DescribeConfigsResponse::default().with_results(vec![result.clone()]);
        check_all(DESCRIBE_CONFIGS, version, &response);
    }
}

#[test]
fn offsets_of_every_version_used_are_walked_to_their_end() {
    let topic = ListOffsetsTopicResponse::default()
        .with_name(text("t").into())
        .with_partitions(vec![ListOffsetsPartitionResponse::default()]);
    for version in 1..=5 {
        let response = ListOffsetsResponse::default().with_topics(vec![topic.clone()]);
        check_all(LIST_OFFSETS, version, &response);
    }
}

#[test]
fn fetches_of_every_version_used_are_walked_to_their_end() {
    let data = PartitionData::default()
        .with_aborted_transactions(Some(vec![AbortedTransaction::default()]))
        .with_records(Some(Bytes::from_static(b"records")));
    let topic =
        FetchableTopicResponse::default().with_topic(text("t").into()).with_partitions(vec![data]);
    for version in 4..=11 {
        let response = FetchResponse::default().with_responses(vec![topic.clone()]);
        check_all(FETCH, version, &response);
    }
}

#[test]
fn announced_elements_that_are_not_there_are_refused() {
    let two_billion = [0x00, 0x00, 0x7f, 0xff, 0xff, 0xff];
    let reason = check(18, 0, &two_billion).unwrap_err();
    assert_eq!(reason, "api_keys: 2147483647 elements in 0 bytes");
    assert!(check(18, 0, &[0, 0, 0xff, 0xff, 0xff, 0xfe]).is_err());
    assert!(check(METADATA, 12, &[0xff; 64]).is_err());
    assert!(check(0, 3, &[]).is_err());
}
