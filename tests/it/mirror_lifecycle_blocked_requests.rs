//! What ordinary clients may not do to a mirrored topic (section 19.3), and may to any other.

use anyhow::{Result, ensure};
use harness::MirrorNode;
use harness::driver::CreateTopic;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreatePartitionsRequest, DeleteTopicsRequest};

use crate::mirror_lifecycle::{create_with_records, mirror_stock, shared_source};
use crate::raw_client::{RawClient, topic_name};

/// 30.2 testCreatePartAllowedOnNonMirrorTopic, testCreatePartWithMixedMirrorAndNonMirrorTopics,
/// testCreatePartitionsWithMultipleTopics, testDeleteTopicsDisallowedOnNonStoppedTopic,
/// testDeleteWithMirrorAndNonMirrorTopics, testDeleteRecordsDisallowedOnNonStoppedTopic,
/// testDeleteRecordsAllowedOnNonMirrorTopic.
#[test]
fn a_mirrored_topic_is_not_grown_deleted_or_trimmed_and_others_are() -> Result<()> {
    let name = "a_mirrored_topic_is_not_grown_deleted_or_trimmed_and_others_are";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), MIRRORED, 5)?;
    mirror_stock(&source, &node, "from-stock", &[MIRRORED])?;
    for state in ["MIRRORING", "PAUSED"] {
        if state == "PAUSED" {
            node.mirror_command(&["--pause", "--mirror", "from-stock", "--topics", MIRRORED])?;
            node.await_state(MIRRORED, state)?;
        }
        for local in [LOCAL, OTHER] {
            create_with_records(node.driver(), local, 5)?;
        }
        refused_while_mirrored(&node)?;
    }

    node.stop_topics("from-stock", &[MIRRORED])?;
    ensure!(node.driver().delete_records(MIRRORED, 0, 2)? == 2);
    node.driver().add_partitions(MIRRORED, 2)?;
    node.driver().delete_topic(MIRRORED)
}

/// Refused for the mirrored topic; done for the others in the same request, who are gone then.
fn refused_while_mirrored(node: &MirrorNode) -> Result<()> {
    let refused = node.driver().delete_records(MIRRORED, 0, 2);
    ensure!(refused.is_err(), "records of a mirrored topic were deleted: {refused:?}");
    ensure!(node.driver().delete_records(LOCAL, 0, 2)? == 2);

    let all = [MIRRORED, LOCAL, OTHER];
    let grown = |name| {
        CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(3)
            .with_assignments(None)
    };
    let request = CreatePartitionsRequest::default()
        .with_topics(all.map(grown).to_vec())
        .with_timeout_ms(10_000);
    let response = RawClient::connect(node.address())?.ask(&request, 3)?;
    let codes: Vec<i16> = response.results.iter().map(|result| result.error_code).collect();
    ensure!(codes == [INVALID_CLUSTER_MIRROR_STATE, NONE, NONE], "{response:?}");
    for (topic, partitions) in [(MIRRORED, 1), (LOCAL, 3), (OTHER, 3)] {
        let found = node.driver().describe_topic(topic)?.partitions.len();
        ensure!(found == partitions, "{topic} has {found} partitions");
    }

    let deleted = |name| DeleteTopicState::default().with_name(Some(topic_name(name)));
    let request = DeleteTopicsRequest::default()
        .with_topics(all.map(deleted).to_vec())
        .with_timeout_ms(10_000);
    let response = RawClient::connect(node.address())?.ask(&request, 6)?;
    let codes: Vec<i16> = response.responses.iter().map(|result| result.error_code).collect();
    ensure!(codes == [INVALID_CLUSTER_MIRROR_STATE, NONE, NONE], "{response:?}");
    let left = node.driver().list_topics()?;
    let left: Vec<_> = all.into_iter().filter(|name| left.contains_key(*name)).collect();
    ensure!(left == [MIRRORED], "{left:?} are left");
    node.driver().create_topic(&CreateTopic::new("between", 1))?;
    node.driver().delete_topic("between")
}

const MIRRORED: &str = "blocked";
const LOCAL: &str = "local";
const OTHER: &str = "other";
const NONE: i16 = 0;
const INVALID_CLUSTER_MIRROR_STATE: i16 = 145;
