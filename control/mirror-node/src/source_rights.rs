//! What the principal of a mirror needs at its source, asked before anybody relies on it.
//!
//! | right | on | for |
//! |---|---|---|
//! | READ, which brings DESCRIBE | topics | metadata, records, offsets, ends of epochs |
//! | DESCRIBE_CONFIGS | topics | settings of topics |
//! | DESCRIBE | groups | committed offsets, unless `groups.include` is empty |
//! | DESCRIBE | cluster | access control lists, unless `acls.include` is empty |
//!
//! A right is missing when the source says so; what it does not say is left to the time when it is
//! needed. A source hides topics that may not be described, so they are asked for by name.

use std::collections::BTreeSet;
use std::fmt;

use kafka_protocol::error::ResponseError;
use kafka_wire::partition::TopicName;
use mirror_coordinator::acl::{AclOperation, WILDCARD};
use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_coordinator::topic_patterns::TopicPatterns;
use mirror_coordinator::topic_prefix::TopicPrefix;

use crate::server::authorization::ANONYMOUS;
use crate::source_client::rights::NamedTopic;
use crate::source_client::{SourceClient, SourceMetadata};
use crate::source_connection::SourceError;

/// A right that a source does not give.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MissingRight {
    operation: AclOperation,
    resource: Resource,
}

/// What a right is about, by its name at the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Topic(String),
    Group(String),
    Cluster,
}

impl MissingRight {
    /// To read a topic of a mirror whose topics have this prefix here.
    pub(crate) fn to_read(topic: &TopicName, prefix: &TopicPrefix) -> Self {
        Self::on_topic(AclOperation::Read, topic, prefix)
    }

    fn on_topic(operation: AclOperation, topic: &TopicName, prefix: &TopicPrefix) -> Self {
        let at_source = prefix.name_at_source(topic).unwrap_or_else(|| topic.clone());
        Self { operation, resource: Resource::Topic(at_source.to_string()) }
    }

    /// The error that a source answers where it is missing.
    pub(crate) const fn error(&self) -> ResponseError {
        match self.resource {
            Resource::Topic(_) => ResponseError::TopicAuthorizationFailed,
            Resource::Group(_) => ResponseError::GroupAuthorizationFailed,
            Resource::Cluster => ResponseError::ClusterAuthorizationFailed,
        }
    }

    /// The command that gives it, for whoever may.
    pub(crate) fn command(&self, bootstrap_servers: &str) -> String {
        let operation = tool_name(self.operation);
        let resource = match &self.resource {
            Resource::Topic(name) => format!("--topic '{name}'"),
            Resource::Group(name) => format!("--group '{}'", name.replace('\'', r"'\''")),
            Resource::Cluster => "--cluster".to_owned(),
        };
        format!(
            "kafka-acls.sh --bootstrap-server {bootstrap_servers} --add --allow-principal \
             {ANONYMOUS} --operation {operation} {resource}"
        )
    }
}

impl fmt::Display for MissingRight {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        match &self.resource {
            Resource::Topic(name) if name == WILDCARD => write!(out, "{operation} on all topics"),
            Resource::Topic(name) => write!(out, "{operation} on topic {name}"),
            Resource::Group(name) if name == WILDCARD => {
                write!(out, "{operation} on all groups (groups.include is for all)")
            }
            Resource::Group(name) => write!(out, "{operation} on group {name}"),
            Resource::Cluster => write!(out, "{operation} on the cluster (for acls.include)"),
        }
    }
}

/// What rights are missing, and what gives them, in one text.
pub(crate) fn told(missing: &[MissingRight], bootstrap_servers: &str) -> String {
    let (shown, more) = missing.split_at(missing.len().min(TOLD_MAX));
    let rights: Vec<String> = shown.iter().map(ToString::to_string).collect();
    let commands: Vec<String> = shown.iter().map(|one| one.command(bootstrap_servers)).collect();
    let more = match more.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    format!(
        "the source does not give the mirror's principal {}{more}. To give it: {} ({ANONYMOUS} is \
         everybody on a PLAINTEXT listener, unless its principal builder says otherwise)",
        rights.join(", "),
        commands.join("; ")
    )
}

/// The rights that a mirror with these settings lacks, as far as its source tells.
///
/// # Errors
/// When the source cannot be asked.
pub(crate) async fn missing_for(
    client: &mut SourceClient,
    config: &MirrorConfig,
) -> Result<Vec<MissingRight>, SourceError> {
    let metadata = client.metadata().await?;
    let mut missing = missing_on_topics(client, &config.topics, &metadata).await?;
    missing.extend(missing_on_groups(client, config).await?);
    if !config.acls_include.is_empty() && client.denies_acls().await? {
        let (operation, resource) = (AclOperation::Describe, Resource::Cluster);
        missing.push(MissingRight { operation, resource });
    }
    Ok(missing)
}

/// The rights that are missing on groups. A source does not list groups that may not be described.
///
/// # Errors
/// When the source cannot be asked.
pub(crate) async fn missing_on_groups(
    client: &mut SourceClient,
    config: &MirrorConfig,
) -> Result<Vec<MissingRight>, SourceError> {
    let groups = config.groups_include.patterns();
    let asked: BTreeSet<&str> = groups.iter().filter_map(|text| group_to_ask(text)).collect();
    let denied = client.denied_groups(&asked.into_iter().collect::<Vec<_>>()).await?;
    let missing = denied.into_iter().map(|group| {
        let name = if group == PROBE { WILDCARD.to_owned() } else { group };
        MissingRight { operation: AclOperation::Describe, resource: Resource::Group(name) }
    });
    Ok(missing.collect())
}

/// The rights that are missing on topics that are selected, those included that the source hides.
///
/// # Errors
/// When the source cannot be asked.
pub(crate) async fn missing_on_topics(
    client: &mut SourceClient,
    selected: &TopicPatterns,
    metadata: &SourceMetadata,
) -> Result<Vec<MissingRight>, SourceError> {
    let is_meant = |name: &&TopicName| selected.selects(name.as_str());
    let mut names: BTreeSet<TopicName> =
        metadata.topics.keys().filter(is_meant).take(ASKED_MAX).cloned().collect();
    let prefix = client.prefix().clone();
    let mut is_probed = false;
    for pattern in selected.include.patterns() {
        let name = TopicName::parse(pattern).filter(|name| !metadata.topics.contains_key(name));
        names.extend(name.filter(|name| selected.selects(name.as_str())));
        // Of all topics none is to be seen: is there none, or may we see none?
        is_probed |= pattern == EVERYTHING;
    }
    let probe = prefix.name_here(PROBE).ok().filter(|_| is_probed && names.is_empty());
    names.extend(probe.clone());
    let mut missing = Vec::new();
    for (name, told) in client.topics_named(&names).await? {
        if Some(&name) == probe.as_ref() {
            let (operation, resource) = (AclOperation::Read, Resource::Topic(WILDCARD.to_owned()));
            missing.extend(told.is_denied().then_some(MissingRight { operation, resource }));
        } else {
            missing.extend(missing_on(&name, told, &prefix));
        }
    }
    Ok(missing)
}

fn missing_on(name: &TopicName, told: NamedTopic, prefix: &TopicPrefix) -> Vec<MissingRight> {
    if told.is_denied() {
        return vec![MissingRight::to_read(name, prefix)];
    }
    let needed = [AclOperation::Read, AclOperation::DescribeConfigs];
    let lacking = needed.into_iter().filter(|operation| told.lacks(*operation));
    lacking.map(|operation| MissingRight::on_topic(operation, name, prefix)).collect()
}

/// An operation as `kafka-acls.sh` is told it: `DescribeConfigs`.
fn tool_name(operation: AclOperation) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_ascii_lowercase()
    };
    operation.name().split('_').map(word).collect()
}

/// The group to ask about for a pattern; none for one that may mean any.
fn group_to_ask(pattern: &str) -> Option<&str> {
    let is_name = pattern.chars().all(|one| one.is_ascii_alphanumeric() || "_-".contains(one));
    if pattern == EVERYTHING { Some(PROBE) } else { Some(pattern).filter(|_| is_name) }
}

/// The pattern for any name.
const EVERYTHING: &str = ".*";
/// A topic and a group that nobody has: who may do something with all may do it with these.
const PROBE: &str = "ringmirror-asks-for-rights";
/// Topics asked about, at most.
const ASKED_MAX: usize = 10_000;
/// Rights that are named in one message.
const TOLD_MAX: usize = 5;

#[cfg(test)]
mod tests;
