//! What the source of a mirror knows of mirrors in the other direction: asked before a log goes on
//! from it (KIP-1279, log alignment, steps 1 to 6).

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::mirror_api::MirrorResponse;
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribeClusterMirrorsRequest;
use kafka_wire::mirror_api::list_cluster_mirrors::ListClusterMirrorsRequest;
use kafka_wire::mirror_api::mirror_topic::TopicPartitions;
use kafka_wire::partition::{TopicId, TopicName, TopicPartition};
use mirror_coordinator::log_alignment::PeerMirrors;

use crate::source_client::SourceClient;
use crate::source_connection::SourceError;

/// Asks a source for its mirrors, and where mirroring of these partitions from `cluster_id` ended.
/// Mirrors are asked for by names of topics: `ids` are those of ours that have something to lose,
/// where the source has ids.
///
/// What a broker keeps to itself may be where mirroring ended: then it is not known.
///
/// # Errors
/// When it does not list its mirrors, or does not tell which topics it has.
pub(crate) async fn ask_peer(
    client: &mut SourceClient,
    cluster_id: &str,
    partitions: &BTreeSet<TopicPartition>,
    ids: &BTreeMap<TopicName, TopicId>,
) -> Result<PeerMirrors, SourceError> {
    let peer = ask_for_mirrors(client, cluster_id, partitions).await?;
    // Last: what is there now was there when the names were answered for.
    Ok(peer.with_others(client.other_topics(ids).await?))
}

async fn ask_for_mirrors(
    client: &mut SourceClient,
    cluster_id: &str,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<PeerMirrors, SourceError> {
    let list = ListClusterMirrorsRequest {
        mirror_name: None,
        source_cluster_id: None,
        desired_states: Vec::new(),
    };
    let listed = match client.mirror_request(&list.into()).await {
        Ok(MirrorResponse::ListClusterMirrors(response)) if response.error_code == 0 => {
            response.mirrors
        }
        Ok(other) => {
            let (code, message) = other.outcome();
            let address = "the source".to_owned();
            return Err(SourceError::refused_mirrors(address, other.key(), code, message));
        }
        Err(error) if error.lacks_mirrors() => return Ok(PeerMirrors::default()),
        Err(error) => return Err(error),
    };
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    let prefix = client.prefix().clone();
    for at in partitions {
        let Some(topic) = prefix.name_at_source(&at.topic) else { continue };
        topics.entry(topic.to_string()).or_default().push(at.partition.get());
    }
    let topics = topics
        .into_iter()
        .map(|(topic_name, partitions)| TopicPartitions { topic_name, partitions });
    let request = DescribeClusterMirrorsRequest {
        topics: Some(topics.collect()),
        cluster_id: Some(cluster_id.to_owned()),
        include_mirror_offset: false,
        ..DescribeClusterMirrorsRequest::everything()
    };
    let untold = match client.describe_mirrors(&request).await {
        Ok(described) => match described.unanswered.into_iter().next() {
            None => {
                let peer = PeerMirrors::read(cluster_id, &listed, &described.mirrors);
                return Ok(peer.under(prefix));
            }
            Some(error) => error,
        },
        Err(error) => error,
    };
    Ok(PeerMirrors::silent(cluster_id, &listed, &untold.to_string()).under(prefix))
}

#[cfg(test)]
mod tests;
