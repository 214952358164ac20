//! Which keys of MirrorMaker 2 are taken over, and why the others are not.

use mirror_coordinator::mirror_config::security_names;

use super::mm2_file::{CLUSTERS, Entry, Flow, Scope, is_for_all_clients, is_true};

/// Why a key about one of these directions is not taken over; nothing for one that is.
pub(super) fn reason(entry: &Entry, flows: &[Flow]) -> Option<String> {
    let name = entry.name.as_str();
    match &entry.scope {
        Scope::Nowhere => Some("names no two clusters of the key clusters".to_owned()),
        Scope::Flow(flow) => {
            let is_meant = flows.contains(flow);
            let name = name
                .strip_prefix("source.cluster.")
                .filter(|rest| is_of_client(rest))
                .unwrap_or(name);
            let is_taken = is_of_connector(name, &entry.value)
                || is_of_consumer(name.strip_prefix("source.").unwrap_or(name))
                || is_of_client(name) && entry.name.starts_with("source.cluster.");
            (is_meant && !is_taken && name != "enabled").then(|| why(name, &entry.value))
        }
        Scope::Cluster(alias) if flows.iter().any(|flow| flow.source == *alias) => {
            let is_taken = is_of_client(name) || is_of_consumer(name) || is_plaintext(entry);
            if is_of_connector(name, "true") && !is_taken {
                return Some(format!(
                    "MirrorMaker 2 reads it as {name} or as a key of a direction (A->B.{name}); \
                     of a cluster it never had an effect"
                ));
            }
            (!is_taken).then(|| why(name, &entry.value))
        }
        Scope::Cluster(alias) if flows.iter().any(|flow| flow.target == *alias) => {
            Some(match name {
                "bootstrap.servers" => OF_TARGET.to_owned(),
                _ => why(name, &entry.value),
            })
        }
        // Of a cluster that has no part in what is wanted.
        Scope::Cluster(_) => None,
        Scope::General => {
            let is_taken = name == CLUSTERS
                || is_of_connector(name, &entry.value)
                || is_for_all_clients(name) && (name == "bootstrap.servers" || is_plaintext(entry));
            (!is_taken).then(|| why(name, &entry.value))
        }
    }
}

fn is_of_connector(name: &str, value: &str) -> bool {
    OF_CONNECTOR.contains(&name) || (name == "sync.topic.configs.enabled" && is_true(value))
}

fn is_of_client(name: &str) -> bool {
    OF_CLIENT.iter().any(|(theirs, _)| *theirs == name) || name == "bootstrap.servers"
}

fn is_of_consumer(name: &str) -> bool {
    let of_consumer = name.strip_prefix("consumer.");
    of_consumer.is_some_and(|name| OF_CONSUMER.iter().any(|(theirs, _)| *theirs == name))
}

fn is_plaintext(entry: &Entry) -> bool {
    entry.name == "security.protocol" && entry.value == "PLAINTEXT"
}

fn why(name: &str, value: &str) -> String {
    let is_meant = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    // `admin.ssl.key.password` is about TLS first.
    let is_security = ["sasl.", "ssl.", "security."]
        .iter()
        .any(|word| name.starts_with(word) || name.contains(&format!(".{word}")));
    let known = REASONS.iter().find(|(pattern, _)| is_meant(pattern)).map(|(_, reason)| *reason);
    let reason = if is_security { NO_SECURITY } else { known.unwrap_or(UNKNOWN) };
    let mut told = reason.to_owned();
    if security_names::is_sensitive(name) && is_security {
        told.push_str("; its value is a secret and is not repeated");
    }
    if is_provided(value) {
        told.push_str("; its value comes from a config provider, which is not resolved");
    }
    told
}

/// True for a value like `${file:/etc/secrets:password}`.
pub(super) fn is_provided(value: &str) -> bool {
    value.split_once("${").is_some_and(|(_, rest)| rest.contains('}'))
}

/// Settings of connectors that are taken over.
const OF_CONNECTOR: [&str; 15] = [
    "topics",
    "topics.whitelist",
    "topics.exclude",
    "topics.blacklist",
    "groups",
    "groups.whitelist",
    "groups.exclude",
    "groups.blacklist",
    "config.properties.exclude",
    "config.properties.blacklist",
    "sync.group.offsets.enabled",
    "emit.checkpoints.enabled",
    "sync.topic.acls.enabled",
    "replication.policy.class",
    "replication.policy.separator",
];

/// Settings of clients that are taken over, and what they are called here;
pub(super) const OF_CLIENT: [(&str, &str); 2] = [
    ("request.timeout.ms", "request.timeout.ms"),
    ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.ms"),
];
/// and of consumers.
pub(super) const OF_CONSUMER: [(&str, &str); 3] = [
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("fetch.max.bytes", "fetch.response.max.bytes"),
    ("max.partition.fetch.bytes", "fetch.max.bytes"),
];

const OF_TARGET: &str = "the node takes the place of this cluster: where it listens is listen and \
                         advertised in its node.toml";
const UNKNOWN: &str = "neither MirrorMaker 2's documentation nor ringmirror knows it";
const NO_SECURITY: &str = "TLS and SASL are not supported yet: name a PLAINTEXT listener of the \
                           source in bootstrap.servers";
const NO_TRANSLATION: &str = "offsets are the same on both sides, so nothing is translated";
const NO_CONNECT: &str = "there is no Kafka Connect: a node keeps what it knows in its directory";
const NO_PRODUCER: &str = "there is no producer: batches are written to the log as they came";
const NO_ADMIN: &str = "the target is the node itself: nobody has to ask it over the network";
const AS_THEY_ARE: &str = "records are copied byte for byte and never looked at";
const ONE_INTERVAL: &str = "one interval for all: the node's setting \
                            mirror.metadata.refresh.interval.ms, 60000 unless set";
const OF_GROUP_OFFSETS: &str = "one interval for all mirrors: the node's setting \
                                mirror.group.offsets.refresh.interval.ms, 5000 unless set";
const ONE_CPU: &str = "a node spreads partitions over its CPUs by itself: cores and \
                       connections_per_broker in the section [mirror] of node.toml";

/// Why keys have no counterpart; a name that ends in `*` stands for all that begin so.
const REASONS: [(&str, &str); 48] = [
    ("tasks.max", ONE_CPU),
    ("replication.factor", "a node is the only replica of what it has"),
    (
        "emit.heartbeats.*",
        "no heartbeats are needed: `ringmirror status` says how old the last \
                           sign of life of a source is",
    ),
    ("heartbeats.*", "no heartbeats are written"),
    ("emit.checkpoints.interval.seconds", NO_TRANSLATION),
    ("checkpoints.*", NO_TRANSLATION),
    ("emit.offset-syncs.*", NO_TRANSLATION),
    ("offset-syncs.*", NO_TRANSLATION),
    ("offset.lag.max", NO_TRANSLATION),
    ("sync.group.offsets.interval.seconds", OF_GROUP_OFFSETS),
    (
        "sync.topic.configs.enabled",
        "settings of topics are always copied; those named in \
                                    topic.properties.exclude are not",
    ),
    ("sync.topic.configs.*", ONE_INTERVAL),
    ("sync.topic.acls.*", ONE_INTERVAL),
    ("refresh.*", ONE_INTERVAL),
    ("replication.policy.*", "names are made by topics.prefix, or are equal"),
    (
        "topic.filter.class",
        "no classes are loaded: the lists topics.include and topics.exclude \
                            choose",
    ),
    (
        "group.filter.class",
        "no classes are loaded: the lists groups.include and groups.exclude \
                            choose",
    ),
    ("config.property.filter.class", "no classes are loaded: topic.properties.exclude chooses"),
    ("forwarding.admin.class", NO_ADMIN),
    ("use.incremental.alter.configs", NO_ADMIN),
    ("add.source.alias.to.metrics", "figures have the name of the mirror"),
    ("metric*", "figures are those of ringmirror: `ringmirror status`"),
    ("auto.include.jmx.reporter", "there is no Java"),
    ("transforms*", AS_THEY_ARE),
    ("predicates*", AS_THEY_ARE),
    ("key.converter*", AS_THEY_ARE),
    ("value.converter*", AS_THEY_ARE),
    ("header.converter*", AS_THEY_ARE),
    ("producer.*", NO_PRODUCER),
    ("target.producer.*", NO_PRODUCER),
    ("source.producer.*", NO_PRODUCER),
    ("admin.*", NO_ADMIN),
    ("target.admin.*", NO_ADMIN),
    ("target.cluster.*", NO_ADMIN),
    ("target.consumer.*", NO_ADMIN),
    ("source.admin.*", "the source is asked with the settings of the mirror"),
    ("source.cluster.*", "the source is asked with the settings of the mirror"),
    ("consumer.*", "the source is read by the engine and not by a Java consumer"),
    ("source.consumer.*", "the source is read by the engine and not by a Java consumer"),
    ("dedicated.mode.*", NO_CONNECT),
    ("config.providers*", "providers of values are not asked: write the values themselves"),
    ("offset.*", NO_CONNECT),
    ("config.storage.*", NO_CONNECT),
    ("status.*", NO_CONNECT),
    ("listeners", NO_CONNECT),
    ("group.id", NO_CONNECT),
    ("worker*", NO_CONNECT),
    ("connector.*", NO_CONNECT),
];
