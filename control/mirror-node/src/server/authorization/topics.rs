//! Requests about topics: their metadata, making and deleting them.

use std::collections::HashSet;

use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest;
use kafka_protocol::messages::describe_topic_partitions_response as topic_partitions;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest, RequestKind,
    ResponseKind, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::TopicId;
use mirror_coordinator::acl::AclOperation::{Describe, DescribeConfigs};
use mirror_coordinator::acl::AclResource::Topic;
use uuid::Uuid;

use super::{Completion, Gate, refusal_code, refusal_message, refuse, response};
use crate::node::Node;
use crate::server::admin::mentions::mentions;
use crate::server::answer::Answer;
use crate::server::metadata::topic_name;

pub(super) fn admit(
    node: &Node,
    gate: &Gate,
    body: &mut RequestKind,
    version: i16,
) -> Result<Completion, Answer> {
    if !gate.is_closed() {
        return Ok(Completion::NONE);
    }
    match body {
        RequestKind::Metadata(asked) => Ok(metadata(asked, version)),
        RequestKind::DescribeCluster(asked) => {
            let wants_operations = asked.include_cluster_authorized_operations;
            Ok(Completion::new(move |gate, answer| {
                if let Some(response) = response!(answer, DescribeCluster)
                    && wants_operations
                    && response.error_code == 0
                {
                    response.cluster_authorized_operations = gate.cluster_operations();
                }
            }))
        }
        RequestKind::DescribeTopicPartitions(asked) => describe(node, gate, asked),
        RequestKind::CreateTopics(asked) => Ok(create(gate, asked, version)),
        RequestKind::DeleteTopics(asked) => Ok(delete(node, gate, asked)),
        RequestKind::CreatePartitions(asked) => Ok(create_partitions(gate, asked)),
        _ => Ok(Completion::NONE),
    }
}

/// The answer is right but for what may not be seen: a topic that was named is refused whether
/// it exists or not, one that was not named is left out.
fn metadata(asked: &MetadataRequest, version: i16) -> Completion {
    let topics = asked.topics.as_deref().filter(|topics| version > 0 || !topics.is_empty());
    let all = topics.is_none();
    let ids: HashSet<Uuid> = topics
        .into_iter()
        .flatten()
        .filter(|topic| topic.name.is_none())
        .map(|t| t.topic_id)
        .collect();
    let wants_of_topics = asked.include_topic_authorized_operations;
    let wants_of_cluster = asked.include_cluster_authorized_operations;
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, Metadata) else { return };
        let may_see = |topic: &MetadataResponseTopic| {
            // Without a name it is an id that no topic has.
            topic.name.as_ref().is_none_or(|name| name.is_empty() || gate.may(Topic, name))
        };
        if all {
            response.topics.retain(may_see);
        }
        for topic in &mut response.topics {
            let Some(name) = topic.name.clone().filter(|name| !name.is_empty()) else { continue };
            if may_see(topic) {
                if wants_of_topics {
                    topic.topic_authorized_operations = gate.operations(Topic, &name);
                }
                continue;
            }
            let id = Some(topic.topic_id).filter(|id| ids.contains(id));
            let nameless = (version < NAME_NULLABLE).then(TopicName::default);
            *topic = MetadataResponseTopic::default()
                .with_error_code(TOPIC_REFUSED)
                .with_name(if id.is_some() { nameless } else { Some(name) })
                .with_topic_id(id.unwrap_or_default());
        }
        if wants_of_cluster {
            response.cluster_authorized_operations = gate.cluster_operations();
        }
    })
}

fn describe(
    node: &Node,
    gate: &Gate,
    asked: &mut DescribeTopicPartitionsRequest,
) -> Result<Completion, Answer> {
    let refused = if asked.topics.is_empty() {
        // Those that may be seen are named, so that pages are of them.
        let all = node.catalog.topics().into_iter();
        let seen = all.filter(|topic| gate.may(Topic, topic.name.as_str()));
        asked.topics =
            seen.map(|topic| TopicRequest::default().with_name(topic_name(&topic))).collect();
        Vec::new()
    } else {
        refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.name))
    };
    // Asked for none, the node would tell of all.
    let none_left = asked.topics.is_empty();
    let completion = Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, DescribeTopicPartitions) else { return };
        for topic in &mut response.topics {
            let name = topic.name.as_deref().map_or("", |name| name);
            topic.topic_authorized_operations = gate.operations(Topic, name);
        }
        let mut told = HashSet::new();
        let once = refused.into_iter().filter(|topic| told.insert(topic.name.clone()));
        response.topics.extend(once.map(|topic| {
            topic_partitions::DescribeTopicPartitionsResponseTopic::default()
                .with_error_code(TOPIC_REFUSED)
                .with_name(Some(topic.name))
        }));
    });
    if none_left {
        let mut answer = DescribeTopicPartitionsResponse::default().into();
        completion.complete(gate, &mut answer);
        return Err(answer);
    }
    Ok(completion)
}

fn create(gate: &Gate, asked: &mut CreateTopicsRequest, version: i16) -> Completion {
    let counts = mentions(asked.topics.iter().map(|topic| topic.name.clone()));
    let may_create_any = gate.may_on_cluster();
    let refused = refuse(&mut asked.topics, |topic| {
        // What is asked for twice, or is no topic of anybody, is refused as such.
        let is_refused_anyway = counts[&topic.name] > 1 || topic.name.as_str() == METADATA_TOPIC;
        is_refused_anyway || may_create_any || gate.may(Topic, &topic.name)
    });
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, CreateTopics) else { return };
        for topic in &mut response.topics {
            let is_told = gate.may_also(DescribeConfigs, Topic, &topic.name);
            if topic.error_code == 0 && version >= CONFIGS_SINCE && !is_told {
                topic.num_partitions = NOT_TOLD;
                topic.replication_factor = -1;
                topic.configs = Some(Vec::new());
                topic.topic_config_error_code = TOPIC_REFUSED;
            }
        }
        response.topics.extend(refused.into_iter().map(|topic| {
            CreatableTopicResult::default()
                .with_name(topic.name)
                .with_error_code(TOPIC_REFUSED)
                .with_error_message(Some(StrBytes::from_static_str("Authorization failed.")))
        }));
    })
}

fn delete(node: &Node, gate: &Gate, asked: &mut DeleteTopicsRequest) -> Completion {
    if gate.may_on_cluster() {
        return Completion::NONE;
    }
    // Whoever may see that a topic is not there is told so.
    let may_ask = |name: &str| {
        let is_there = || node.catalog.topic_named(name).is_some();
        gate.may_also(Describe, Topic, name) && (gate.may(Topic, name) || !is_there())
    };
    let by_name = refuse(&mut asked.topic_names, |name| may_ask(name));
    let known = |state: &DeleteTopicState| {
        TopicId::from_wire(state.topic_id.into_bytes()).and_then(|id| node.catalog.topic_of(id))
    };
    let refused = refuse(&mut asked.topics, |state| match (&state.name, known(state)) {
        (Some(name), _) => may_ask(name),
        (None, Some(topic)) => gate.may(Topic, topic.name.as_str()),
        (None, None) => true,
    });
    let mut refusals: Vec<DeletableTopicResult> =
        by_name.into_iter().map(|name| not_deleted(Some(name), Uuid::nil())).collect();
    refusals.extend(refused.into_iter().map(|state| match &state.name {
        Some(_) => not_deleted(state.name, Uuid::nil()),
        None => {
            let seen =
                known(&state).filter(|topic| gate.may_also(Describe, Topic, topic.name.as_str()));
            not_deleted(seen.map(|topic| topic_name(&topic)), state.topic_id)
        }
    }));
    Completion::new(move |_, answer| {
        if let Some(response) = response!(answer, DeleteTopics) {
            response.responses.extend(refusals);
        }
    })
}

fn not_deleted(name: Option<TopicName>, id: Uuid) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(TOPIC_REFUSED)
        .with_error_message(refusal_message(Topic))
}

fn create_partitions(gate: &Gate, asked: &mut CreatePartitionsRequest) -> Completion {
    let counts = mentions(asked.topics.iter().map(|topic| topic.name.clone()));
    let refused =
        refuse(&mut asked.topics, |topic| counts[&topic.name] > 1 || gate.may(Topic, &topic.name));
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, CreatePartitions) else { return };
        response.results.extend(refused.into_iter().map(|topic| {
            CreatePartitionsTopicResult::default()
                .with_name(topic.name)
                .with_error_code(TOPIC_REFUSED)
                .with_error_message(None)
        }));
    })
}

const TOPIC_REFUSED: i16 = refusal_code(Topic);
/// First version of Metadata whose topics may lack a name.
const NAME_NULLABLE: i16 = 12;
/// First version of CreateTopics that tells settings.
const CONFIGS_SINCE: i16 = 5;
const NOT_TOLD: i32 = -1;
/// That of a stock controller.
const METADATA_TOPIC: &str = "__cluster_metadata";
