//! DeleteTopics (key 20): local topics go, by name or by id.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use kafka_wire::partition::TopicId;

use crate::catalog::Topic;
use crate::node::Node;
use crate::server::admin::alter_topic;
use crate::server::metadata::{topic_name, topic_uuid};
use crate::server::refusal::Refusal;

/// Deletes each topic. Waits for the disk.
pub(super) fn delete(node: &Node, asked: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let named = asked.topic_names.into_iter();
    let named = named.map(|name| DeleteTopicState::default().with_name(Some(name)));
    let wanted: Vec<DeleteTopicState> = asked.topics.into_iter().chain(named).collect();
    let found: Vec<_> = wanted.iter().map(|state| found(node, state)).collect();
    let mut counts: HashMap<TopicId, usize> = HashMap::new();
    for topic in found.iter().flatten() {
        *counts.entry(topic.id).or_default() += 1;
    }
    let responses = wanted.into_iter().zip(found).map(|(state, found)| {
        let result =
            DeletableTopicResult::default().with_name(state.name).with_topic_id(state.topic_id);
        let (result, outcome) = match found {
            Ok(topic) => {
                let result =
                    result.with_name(Some(topic_name(&topic))).with_topic_id(topic_uuid(&topic));
                let is_twice = counts[&topic.id] > 1;
                (result, if is_twice { Err(twice()) } else { delete_one(node, topic) })
            }
            Err(refusal) => (result, Err(refusal)),
        };
        match outcome {
            Ok(()) => result.with_error_message(None),
            Err(refusal) => {
                result.with_error_code(refusal.code()).with_error_message(refusal.text())
            }
        }
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn found(node: &Node, asked: &DeleteTopicState) -> Result<Arc<Topic>, Refusal> {
    let id = TopicId::from_wire(asked.topic_id.into_bytes());
    match (&asked.name, id) {
        (Some(_), Some(_)) => {
            Err(Refusal::invalid_request("A topic is named by its name or its id, not by both."))
        }
        (None, None) => Err(Refusal::invalid_request("Neither topic name nor id were specified.")),
        (Some(name), None) => {
            node.catalog.topic_named(name).ok_or_else(|| Refusal::unknown_topic(name))
        }
        (None, Some(id)) => node.catalog.topic_of(id).ok_or_else(|| {
            Refusal::new(ResponseError::UnknownTopicId, format!("There is no topic of id {id}."))
        }),
    }
}

fn delete_one(node: &Node, topic: Arc<Topic>) -> Result<(), Refusal> {
    let (topic, writes) = alter_topic::check_stopped(node, topic)?;
    Ok(writes.topics.delete(topic.id)?)
}

fn twice() -> Refusal {
    Refusal::invalid_request("Duplicate topic name.")
}

#[cfg(test)]
mod tests;
