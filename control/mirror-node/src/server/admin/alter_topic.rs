//! What requests that change a topic have in common: may it be changed, and to these settings?

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_wire::partition::TopicName;

use crate::catalog::{Binding, Topic};
use crate::node::{Node, Writes};
use crate::server::refusal::Refusal;
use crate::topic_settings::SettingError;

/// A local topic that clients may change, and what changes it.
pub(super) fn local_topic<'a>(
    node: &'a Node,
    name: &str,
) -> Result<(Arc<Topic>, &'a Writes), Refusal> {
    let parsed = TopicName::parse(name).ok_or_else(|| Refusal::topic_name(name))?;
    let topic = node.catalog.topic(&parsed).ok_or_else(|| Refusal::unknown_topic(name))?;
    check_local(node, topic)
}

/// The topic, when it is local and clients may change it. What the node itself keeps in a topic is
/// not theirs to shorten: with another cleanup policy, say, the groups would be gone.
pub(super) fn check_local(
    node: &Node,
    topic: Arc<Topic>,
) -> Result<(Arc<Topic>, &Writes), Refusal> {
    match (topic.binding, &node.writes) {
        (Binding::Bound, _) => Err(Refusal::mirrored(node, &topic)),
        (Binding::Unbound, None) => Err(Refusal::read_only()),
        (Binding::Unbound, Some(_)) if topic.is_internal() => {
            let message = format!("Topic '{}' is this node's own.", topic.name);
            Err(Refusal::new(ResponseError::PolicyViolation, message))
        }
        (Binding::Unbound, Some(writes)) => Ok((topic, writes)),
    }
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
