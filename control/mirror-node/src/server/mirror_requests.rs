//! Requests about mirrors (KIP-1279): taken to the control loop, which alone knows them.
//!
//! What is asked for more than once is asked for once here: a small request could have an answer
//! of any size otherwise.

use std::collections::HashSet;
use std::hash::Hash;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_wire::fields::FieldError;
use kafka_wire::message::MessageError;
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribeClusterMirrorsRequest;
use kafka_wire::mirror_api::mirror_topic::MirrorTopic;
use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsRequest;
use kafka_wire::mirror_api::{MirrorApiKey, MirrorRequest, MirrorResponse};

use crate::mirror_orders::OrderRefusal;
use crate::node::Node;
use crate::server::api::AskedApi;
use crate::server::authorization::{Gate, mirrors};
use crate::server::dispatch::Client;
use crate::server::limits::MIRROR_START_BYTES_MAX;
use crate::server::request::RequestHead;

/// Answers a request as one frame.
///
/// # Errors
/// When the answer cannot be said at all.
pub(super) async fn answer(
    node: &Node,
    client: &Client,
    head: &RequestHead,
    mut request: MirrorRequest,
) -> Result<Bytes, MessageError> {
    let key = request.key();
    let gate = Gate::new(node, client, AskedApi::Mirror(key));
    let response = match mirrors::admit(&gate, &mut request) {
        Ok(completion) => {
            let mut response = respond(node, request).await;
            completion.complete(&gate, &mut response);
            response
        }
        Err(refusal) => *refusal,
    };
    match response.encode_frame(head.correlation_id) {
        Err(MessageError::Fields { cause: FieldError::TooManyElements { .. }, .. }) => {
            let narrower = OrderRefusal::new(
                ResponseError::InvalidRequest,
                "The answer would have too many partitions; ask for fewer topics at a time.",
            );
            refused(key, &narrower).encode_frame(head.correlation_id)
        }
        encoded => encoded,
    }
}

async fn respond(node: &Node, request: MirrorRequest) -> MirrorResponse {
    let key = request.key();
    let Some(orders) = node.mirror_orders.get() else {
        return refused(key, &OrderRefusal::no_mirrors());
    };
    let request = match each_once(request) {
        Ok(request) => request,
        Err(refusal) => return refused(key, &refusal),
    };
    let response = orders.ask(request).await;
    if response.key() != key {
        tracing::error!("{key} was answered with {}", response.key());
        let bug = OrderRefusal::new(ResponseError::UnknownServerError, "The answer was mixed up.");
        return refused(key, &bug);
    }
    response
}

fn refused(key: MirrorApiKey, refusal: &OrderRefusal) -> MirrorResponse {
    MirrorResponse::refusal(key, refusal.code, &refusal.message)
}

/// The request without what it says twice.
fn each_once(mut request: MirrorRequest) -> Result<MirrorRequest, OrderRefusal> {
    match &mut request {
        MirrorRequest::StartMirrorTopics(asked) => check_start(asked)?,
        MirrorRequest::StopMirrorTopics(asked) => {
            topics_once(&mut asked.topics);
            keep_once(&mut asked.patterns, Clone::clone);
        }
        MirrorRequest::PauseMirrorTopics(asked) => topics_once(&mut asked.topics),
        MirrorRequest::ResumeMirrorTopics(asked) => topics_once(&mut asked.topics),
        MirrorRequest::RecoverMirrorTopics(asked) => topics_once(&mut asked.topics),
        MirrorRequest::ListClusterMirrors(asked) => {
            keep_once(&mut asked.desired_states, |state| *state);
        }
        MirrorRequest::DescribeClusterMirrors(asked) => describe_once(asked),
        MirrorRequest::ReadMirrorOffsets(asked) => {
            keep_once(&mut asked.topics, |topic| topic.topic_name.clone());
            for topic in &mut asked.topics {
                keep_once(&mut topic.partitions, |index| *index);
            }
        }
        MirrorRequest::ReadMirrorStates(asked) => {
            keep_once(&mut asked.topics, |topic| topic.topic_name.clone());
            for topic in &mut asked.topics {
                keep_once(&mut topic.partitions, |partition| partition.partition_index);
            }
        }
        // What is written is refused or taken one by one, in order.
        MirrorRequest::CreateClusterMirror(_)
        | MirrorRequest::DeleteClusterMirror(_)
        | MirrorRequest::WriteMirrorStates(_)
        | MirrorRequest::BumpLeaderEpochs(_) => {}
    }
    Ok(request)
}

fn describe_once(asked: &mut DescribeClusterMirrorsRequest) {
    if let Some(names) = &mut asked.mirror_names {
        keep_once(names, Clone::clone);
    }
    if let Some(topics) = &mut asked.topics {
        keep_once(topics, |topic| topic.topic_name.clone());
        for topic in topics {
            keep_once(&mut topic.partitions, |index| *index);
        }
    }
    keep_once(&mut asked.last_mirror_epoch_lookups, |lookup| lookup.topic_id);
    for lookup in &mut asked.last_mirror_epoch_lookups {
        keep_once(&mut lookup.partitions, |index| *index);
    }
}

fn topics_once(topics: &mut Vec<MirrorTopic>) {
    keep_once(topics, |topic| topic.topic_name.clone());
}

/// Keeps the first of each key.
fn keep_once<T, K: Eq + Hash>(all: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = HashSet::new();
    all.retain(|one| seen.insert(key(one)));
}

/// A start is held while the source is looked at, for minutes maybe: it has to be small.
fn check_start(asked: &mut StartMirrorTopicsRequest) -> Result<(), OrderRefusal> {
    keep_once(&mut asked.include_patterns, Clone::clone);
    keep_once(&mut asked.exclude_patterns, Clone::clone);
    keep_once(&mut asked.topics, |topic| topic.topic_name.clone());
    let patterns = asked.include_patterns.iter().chain(&asked.exclude_patterns);
    let topics = asked.topics.iter().map(|topic| &topic.topic_name);
    let bytes: usize = patterns.chain(topics).map(|text| text.len() + 1).sum();
    if bytes > MIRROR_START_BYTES_MAX {
        let message = format!(
            "Patterns and topics have {bytes} bytes, at most {MIRROR_START_BYTES_MAX} are taken \
             at a time; name them by an expression, or start them in several requests."
        );
        return Err(OrderRefusal::new(ResponseError::InvalidRequest, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
