//! ShareGroupDescribe (key 77), DescribeShareGroupOffsets (90): of groups that may be described,
//! the offsets of topics that may be.

use std::collections::HashMap;

use kafka_protocol::messages::describe_share_group_offsets_request as offsets_request;
use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::share_group_describe_response::DescribedGroup;
use kafka_protocol::messages::{
    DescribeShareGroupOffsetsRequest, GroupId, ResponseKind, ShareGroupDescribeRequest,
};
use mirror_coordinator::acl::AclResource::{Group, Topic};

use super::{
    Answer, Completion, GROUP_REFUSED, Gate, refusal_code, refusal_message, refuse, response,
};

pub(super) fn describe(gate: &Gate, asked: &mut ShareGroupDescribeRequest) -> Completion {
    let refused = refuse(&mut asked.group_ids, |group| gate.may(Group, group));
    let wants_operations = asked.include_authorized_operations;
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, ShareGroupDescribe) else { return };
        for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
            if wants_operations {
                group.authorized_operations = gate.operations(Group, &group.group_id);
            }
        }
        response.groups.extend(refused.into_iter().map(|group| {
            DescribedGroup::default()
                .with_group_id(group)
                .with_error_code(GROUP_REFUSED)
                .with_error_message(None)
        }));
    })
}

pub(super) fn offsets(gate: &Gate, asked: &mut DescribeShareGroupOffsetsRequest) -> Completion {
    let refused_groups = refuse(&mut asked.groups, |group| gate.may(Group, &group.group_id));
    let mut refused_topics: HashMap<
        GroupId,
        Vec<offsets_request::DescribeShareGroupOffsetsRequestTopic>,
    > = HashMap::new();
    for group in &mut asked.groups {
        let refused = group.topics.as_mut();
        let refused =
            refused.map(|topics| refuse(topics, |topic| gate.may(Topic, &topic.topic_name)));
        // A group that is named again is not answered again.
        refused_topics.entry(group.group_id.clone()).or_insert_with(|| refused.unwrap_or_default());
    }
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, DescribeShareGroupOffsets) else { return };
        for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
            group.topics.retain(|topic| gate.may(Topic, &topic.topic_name));
            let refused = refused_topics.remove(&group.group_id).unwrap_or_default();
            group.topics.extend(refused.into_iter().map(unseen));
        }
        response.groups.extend(refused_groups.into_iter().map(|group| {
            DescribeShareGroupOffsetsResponseGroup::default()
                .with_group_id(group.group_id)
                .with_error_code(GROUP_REFUSED)
                .with_error_message(refusal_message(Group))
        }));
    })
}

fn unseen(
    topic: offsets_request::DescribeShareGroupOffsetsRequestTopic,
) -> DescribeShareGroupOffsetsResponseTopic {
    let partitions = topic.partitions.iter().map(|index| {
        DescribeShareGroupOffsetsResponsePartition::default()
            .with_partition_index(*index)
            .with_error_code(refusal_code(Topic))
            .with_error_message(refusal_message(Topic))
    });
    DescribeShareGroupOffsetsResponseTopic::default()
        .with_partitions(partitions.collect())
        .with_topic_name(topic.topic_name)
}
