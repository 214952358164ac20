use std::fs;

use kafka_protocol::messages::alter_client_quotas_request::EntryData;
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request as listing;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest,
    BrokerId, CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest,
    DescribeClientQuotasRequest, DescribeLogDirsRequest, DescribeTransactionsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    ListTransactionsRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::server::test_node::TestNode;

fn name(text: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(text))
}

#[test]
fn acls_are_refused_without_an_authorizer() {
    let node = TestNode::new();
    assert_eq!(node.ask(DescribeAclsRequest::default()).error_code, 54);
    let creations = vec![AclCreation::default(); 2];
    let created = node.ask(CreateAclsRequest::default().with_creations(creations));
    assert_eq!(created.results.len(), 2);
    assert!(created.results.iter().all(|result| result.error_code == 54));
    let filters = vec![DeleteAclsFilter::default()];
    let deleted = node.ask(DeleteAclsRequest::default().with_filters(filters));
    assert_eq!(deleted.filter_results[0].error_code, 54);
    let text = deleted.filter_results[0].error_message.as_deref();
    assert_eq!(text, Some("No Authorizer is configured."));
}

#[test]
fn there_are_no_client_quotas_and_none_can_be_made() {
    let node = TestNode::new();
    let described = node.ask(DescribeClientQuotasRequest::default());
    assert_eq!((described.error_code, described.entries), (0, Some(Vec::new())));
    let entries = vec![EntryData::default()];
    let altered = node.ask(AlterClientQuotasRequest::default().with_entries(entries));
    assert_eq!(altered.entries[0].error_code, 42);
}

#[test]
fn there_are_no_users_and_none_can_be_made() {
    let node = TestNode::new();
    let all = node.ask(DescribeUserScramCredentialsRequest::default().with_users(None));
    assert_eq!((all.error_code, all.results.len()), (0, 0));
    let anna = StrBytes::from_static_str("anna");
    let users = vec![UserName::default().with_name(anna.clone())];
    let one = node.ask(DescribeUserScramCredentialsRequest::default().with_users(Some(users)));
    assert_eq!((one.error_code, one.results[0].error_code), (0, 91));
    let deletion = ScramCredentialDeletion::default().with_name(anna);
    let asked = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
    let results = node.ask(asked).results;
    assert_eq!((&*results[0].user, results[0].error_code), ("anna", 54));
}

#[test]
fn there_are_no_transactions() {
    let node = TestNode::new();
    let filters = vec![StrBytes::from_static_str("Ongoing"), StrBytes::from_static_str("Odd")];
    let listed = node.ask(ListTransactionsRequest::default().with_state_filters(filters));
    assert_eq!(listed.unknown_state_filters, [StrBytes::from_static_str("Odd")]);
    assert!(listed.transaction_states.is_empty());
    let id = TransactionalId(StrBytes::from_static_str("pay"));
    let asked = DescribeTransactionsRequest::default().with_transactional_ids(vec![id]);
    assert_eq!(node.ask(asked).transaction_states[0].error_code, 105);
}

#[test]
fn no_reassignment_is_under_way() {
    let node = TestNode::new();
    let topic = listing::ListPartitionReassignmentsTopics::default()
        .with_name(name("nothing"))
        .with_partition_indexes(vec![0]);
    let asked = ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic]));
    let listed = node.ask(asked);
    assert_eq!((listed.error_code, listed.topics.len()), (0, 0));
}

#[test]
fn a_partition_is_only_assigned_to_where_it_is() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let partition = |index, replicas: Option<&[i32]>| {
        let replicas = replicas.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
        ReassignablePartition::default().with_partition_index(index).with_replicas(replicas)
    };
    let partitions = vec![
        partition(0, Some(&[7])),
        partition(1, Some(&[7, 8])),
        partition(0, None),
        partition(9, Some(&[7])),
    ];
    let topic = ReassignableTopic::default().with_name(name("orders")).with_partitions(partitions);
    let altered = node.ask(AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]));
    let partitions = altered.responses[0].partitions.iter();
    let codes: Vec<i16> = partitions.map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, 39, 85, 3]);
}

#[test]
fn no_leader_is_to_be_elected() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let topic = TopicPartitions::default().with_topic(name("orders")).with_partitions(vec![0, 5]);
    let asked = ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic]));
    let elected = node.ask(asked);
    let results = elected.replica_election_results[0].partition_result.iter();
    let codes: Vec<i16> = results.map(|result| result.error_code).collect();
    assert_eq!(codes, [84, 3]);
    let all = node.ask(ElectLeadersRequest::default().with_topic_partitions(None));
    assert!(all.replica_election_results.is_empty());
}

#[test]
fn a_partition_is_as_large_as_its_segments() {
    let node = TestNode::new();
    let topic = node.mirrored("orders", &[]);
    let directory = topic.partitions[1].view.directory();
    fs::create_dir(directory).unwrap();
    for (file, bytes) in [
        ("00000000000000000000.log", 100),
        ("00000000000000000000.index", 1000),
        ("00000000000000000042.log", 23),
        ("ringmirror-recycled-0", 5000),
    ] {
        fs::write(directory.join(file), vec![0; bytes]).unwrap();
    }
    let all = node.ask(DescribeLogDirsRequest::default().with_topics(None));
    let [result] = &all.results[..] else { panic!("{all:?}") };
    assert_eq!(result.error_code, 0);
    assert!(result.total_bytes >= result.usable_bytes && result.usable_bytes > 0);
    let [topic] = &result.topics[..] else { panic!("{all:?}") };
    let [partition] = &topic.partitions[..] else { panic!("{all:?}") };
    assert_eq!((partition.partition_index, partition.partition_size), (1, 123));
    let asked = |name, partitions| {
        let topic = DescribableLogDirTopic::default().with_topic(name).with_partitions(partitions);
        DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
    };
    let one = node.ask(asked(name("orders"), vec![1, 1, 8, -1]));
    assert_eq!(one.results[0].topics[0].partitions.len(), 1);
    assert!(node.ask(asked(name("nothing"), vec![0])).results[0].topics.is_empty());
}
