//! OffsetDelete (key 47).

use group_coordinator::answer::Answer;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{OffsetDelete, Request};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use kafka_wire::partition::{PartitionIndex, TopicName};

use super::{code_of, group_id, groups};
use crate::node::Node;

/// Forgets offsets of topics that no member reads. Topics need not exist any more.
pub(super) async fn delete(node: &Node, asked: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut response = OffsetDeleteResponse::default();
    let mut partitions = Vec::new();
    for topic in &asked.topics {
        response.topics.push(sort_out(topic, &mut partitions));
    }
    match delete_offsets(node, &asked, partitions).await {
        Err(refusal) => OffsetDeleteResponse::default().with_error_code(refusal.code()),
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                if partition.error_code == 0 {
                    partition.error_code = outcomes.next().map_or(0, code_of);
                }
            }
            response
        }
    }
}

fn sort_out(
    asked: &OffsetDeleteRequestTopic,
    partitions: &mut Vec<(TopicName, PartitionIndex)>,
) -> OffsetDeleteResponseTopic {
    let topic = TopicName::parse(&asked.name);
    let answered = asked.partitions.iter().map(|asked| {
        let index = PartitionIndex::from_wire(asked.partition_index);
        let partition = topic.clone().zip(index);
        let error = ResponseError::UnknownTopicOrPartition;
        let error_code = if partition.is_some() { 0 } else { error.code() };
        partitions.extend(partition);
        OffsetDeleteResponsePartition::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(error_code)
    });
    let answered = answered.collect();
    OffsetDeleteResponseTopic::default().with_name(asked.name.clone()).with_partitions(answered)
}

async fn delete_offsets(
    node: &Node,
    asked: &OffsetDeleteRequest,
    partitions: Vec<(TopicName, PartitionIndex)>,
) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    let delete = OffsetDelete { group_id: group_id(&asked.group_id)?, partitions };
    match groups(node)?.ask(Request::OffsetDelete(delete)).await? {
        Answer::OffsetDelete(answer) => {
            Ok(answer?.into_iter().map(|partition| partition.outcome).collect())
        }
        other => unreachable!("a deletion of offsets is not answered by {other:?}"),
    }
}
