//! What requests that change a topic have in common: may it be changed, and to these settings?
//!
//! The settings of a topic that is mirrored may be changed, and the source's next ones take their
//! place (KIP-1279).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_wire::partition::TopicName;

use crate::catalog::Topic;
use crate::node::{Node, Writes};
use crate::server::refusal::Refusal;
use crate::topic_settings::SettingError;

/// A topic that clients may change, and what changes it.
pub(super) fn own_topic<'a>(
    node: &'a Node,
    name: &str,
) -> Result<(Arc<Topic>, &'a Writes), Refusal> {
    check_own(node, named(node, name)?)
}

/// The topic of that name.
pub(super) fn named(node: &Node, name: &str) -> Result<Arc<Topic>, Refusal> {
    let parsed = TopicName::parse(name).ok_or_else(|| Refusal::topic_name(name))?;
    node.catalog.topic(&parsed).ok_or_else(|| Refusal::unknown_topic(name))
}

/// The topic, when clients may change it. What the node itself keeps in a topic is not theirs to
/// shorten: with another cleanup policy, say, the groups would be gone.
fn check_own(node: &Node, topic: Arc<Topic>) -> Result<(Arc<Topic>, &Writes), Refusal> {
    match &node.writes {
        None => Err(Refusal::read_only()),
        Some(_) if topic.is_internal() => {
            let message = format!("Topic '{}' is this node's own.", topic.name);
            Err(Refusal::new(ResponseError::PolicyViolation, message))
        }
        Some(writes) => Ok((topic, writes)),
    }
}

/// The topic, when clients may give it partitions or delete it: one that belongs to a mirror only
/// once it is stopped (KIP-1279).
pub(super) fn check_stopped(
    node: &Node,
    topic: Arc<Topic>,
) -> Result<(Arc<Topic>, &Writes), Refusal> {
    if topic.is_bound() && !topic.is_writable() {
        return Err(Refusal::not_stopped(&topic.name));
    }
    check_own(node, topic)
}

/// The name of a resource whose settings are to change: that of a topic.
pub(super) fn topic_resource(kind: i8, name: &str) -> Result<&str, Refusal> {
    match kind {
        TOPIC if name.is_empty() => {
            Err(Refusal::invalid_request("Default topic resources are not allowed."))
        }
        TOPIC => Ok(name),
        BROKER => Err(Refusal::invalid_request(
            "The node's settings are in its configuration file, and change when it starts.",
        )),
        other => Err(Refusal::invalid_request(format!(
            "Settings of resource type {other} cannot be changed here."
        ))),
    }
}

/// Gives the topic these settings, which were checked, or only says that it could get them.
pub(super) fn configure(
    node: &Node,
    topic: &Topic,
    configs: BTreeMap<String, String>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let Some(writes) = &node.writes else { return Err(Refusal::read_only()) };
    if validate_only || topic.configs == configs {
        return Ok(());
    }
    Ok(writes.topics.configure(topic.id, configs)?)
}

/// A setting that cannot be made.
pub(super) fn refused(error: &SettingError) -> Refusal {
    Refusal::new(ResponseError::InvalidConfig, error.to_string())
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
