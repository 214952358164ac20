//! OffsetFetch (key 9): of groups that may be described, the offsets of topics that may be.

use std::collections::HashMap;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, ResponseKind};
use kafka_protocol::protocol::StrBytes;
use mirror_coordinator::acl::AclResource::{Group, Topic};

use super::{Answer, Completion, GROUP_REFUSED, Gate, refusal_code, refuse, response};

pub(super) fn admit(
    gate: &Gate,
    asked: &mut OffsetFetchRequest,
    version: i16,
) -> Result<Completion, Answer> {
    if version >= BATCHED { Ok(of_groups(gate, asked)) } else { of_one(gate, asked, version) }
}

fn of_groups(gate: &Gate, asked: &mut OffsetFetchRequest) -> Completion {
    let refused_groups = refuse(&mut asked.groups, |group| gate.may(Group, &group.group_id));
    let mut refused_topics: HashMap<GroupId, Vec<OffsetFetchRequestTopics>> = HashMap::new();
    for group in &mut asked.groups {
        let refused = group.topics.as_mut().map(|topics| may_see(gate, topics));
        // A group that is named again is not answered again.
        let refused = refused.unwrap_or_default();
        refused_topics.entry(group.group_id.clone()).or_insert(refused);
    }
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, OffsetFetch) else { return };
        for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
            group.topics.retain(|topic| gate.may(Topic, &topic.name));
            let refused = refused_topics.remove(&group.group_id).unwrap_or_default();
            group.topics.extend(refused.into_iter().map(unseen));
        }
        response.groups.extend(refused_groups.into_iter().map(|group: OffsetFetchRequestGroup| {
            OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id)
                .with_error_code(GROUP_REFUSED)
        }));
    })
}

fn may_see(
    gate: &Gate,
    topics: &mut Vec<OffsetFetchRequestTopics>,
) -> Vec<OffsetFetchRequestTopics> {
    refuse(topics, |topic| gate.may(Topic, &topic.name))
}

fn unseen(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.iter().map(|index| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(*index)
            .with_committed_offset(NOTHING)
            .with_metadata(Some(StrBytes::default()))
            .with_error_code(refusal_code(Topic))
    });
    OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(topic.name)
}

/// As versions before [`BATCHED`] ask.
fn of_one(gate: &Gate, asked: &mut OffsetFetchRequest, version: i16) -> Result<Completion, Answer> {
    if !gate.may(Group, &asked.group_id) {
        let response = OffsetFetchResponse::default();
        if version >= GROUP_ERROR {
            return Err(response.with_error_code(GROUP_REFUSED).into());
        }
        let topics = asked.topics.take().unwrap_or_default();
        let refused = topics.into_iter().map(|topic| of_topic(topic, GROUP_REFUSED));
        return Err(response.with_topics(refused.collect()).into());
    }
    let topics = asked.topics.as_mut();
    let refused = topics
        .map(|topics| refuse(topics, |topic| gate.may(Topic, &topic.name)))
        .unwrap_or_default();
    Ok(Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, OffsetFetch) else { return };
        if response.error_code == 0 {
            response.topics.retain(|topic| gate.may(Topic, &topic.name));
            let refused = refused.into_iter().map(|topic| of_topic(topic, refusal_code(Topic)));
            response.topics.extend(refused);
        }
    }))
}

fn of_topic(topic: OffsetFetchRequestTopic, code: i16) -> OffsetFetchResponseTopic {
    let partitions = topic.partition_indexes.iter().map(|index| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(*index)
            .with_committed_offset(NOTHING)
            .with_metadata(Some(StrBytes::default()))
            .with_error_code(code)
    });
    OffsetFetchResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
}

const NOTHING: i64 = -1;
/// First version that asks for many groups at once.
const BATCHED: i16 = 8;
/// First version with an error for the whole group.
const GROUP_ERROR: i16 = 2;
