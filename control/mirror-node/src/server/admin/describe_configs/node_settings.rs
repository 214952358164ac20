//! Settings of this node, under the names a stock broker has for them.

use super::{Entry, Source, Synonym};
use crate::node::Node;
use crate::topic_settings::SettingKind::{Boolean, Int, List, Long};
use crate::topic_settings::{SETTINGS, SettingKind};

/// What tools ask brokers for, by name; all of it read-only, nothing of it secret.
pub(super) fn entries(node: &Node) -> Vec<Entry> {
    let mut entries = identity(node);
    entries.extend(limits(node));
    entries.extend(fixed());
    entries.extend(topic_defaults());
    entries
}

fn identity(node: &Node) -> Vec<Entry> {
    let identity = &node.identity;
    let id = identity.node_id.get().to_string();
    // An IPv6 address is written in brackets.
    let host = if identity.host.contains(':') {
        format!("[{}]", identity.host)
    } else {
        identity.host.clone()
    };
    let listener = format!("PLAINTEXT://{host}:{}", identity.port);
    let root = node.catalog.root().to_string_lossy().into_owned();
    vec![
        made("broker.id", Int, id.clone(), "Id of this node."),
        made("node.id", Int, id, "Id of this node."),
        made("advertised.listeners", List, listener, "Where clients are told to connect."),
        made("log.dirs", List, root, "The data directory."),
    ]
}

fn limits(node: &Node) -> Vec<Entry> {
    let limits = &node.limits;
    let idle_ms = limits.idle_max.as_millis();
    vec![
        default("max.connections", Int, limits.connections_max, "Connections at once."),
        default("socket.request.max.bytes", Int, limits.request_bytes_max, "Largest request."),
        default(
            "queued.max.request.bytes",
            Long,
            limits.requests_bytes_max,
            "Bytes of all requests being received or answered.",
        ),
        default(
            "connections.max.idle.ms",
            Long,
            idle_ms,
            "A connection without a request for so long is closed.",
        ),
        default("fetch.max.bytes", Int, limits.fetch_bytes_max, "Largest fetch response."),
        default(
            "max.incremental.fetch.session.cache.slots",
            Int,
            limits.fetch_sessions_max,
            "Fetch sessions at once.",
        ),
        default(
            "max.request.partition.size.limit",
            Int,
            limits.described_partitions_max,
            "Partitions in one answer to DescribeTopicPartitions.",
        ),
    ]
}

fn fixed() -> Vec<Entry> {
    vec![
        default("auto.create.topics.enable", Boolean, false, "Topics are made on request only."),
        default("default.replication.factor", Int, 1, "This node is the only broker."),
        default("delete.topic.enable", Boolean, true, "Local topics can be deleted."),
        default("num.partitions", Int, 1, "Partitions of a topic made without a count."),
        default("log.retention.hours", Int, 168, "Default of retention.ms, in hours."),
        default("log.roll.hours", Int, 168, "Default of segment.ms, in hours."),
    ]
}

/// The settings that stand for the defaults of topics.
fn topic_defaults() -> impl Iterator<Item = Entry> {
    SETTINGS.iter().filter_map(|setting| {
        Some(default(setting.broker_name?, setting.kind, setting.default, setting.documentation))
    })
}

fn made(name: &str, kind: SettingKind, value: String, documentation: &'static str) -> Entry {
    entry(name, kind, value, Source::StaticBroker, documentation)
}

fn default(
    name: &str,
    kind: SettingKind,
    value: impl ToString,
    documentation: &'static str,
) -> Entry {
    entry(name, kind, value.to_string(), Source::Default, documentation)
}

fn entry(
    name: &str,
    kind: SettingKind,
    value: String,
    source: Source,
    documentation: &'static str,
) -> Entry {
    let synonym = Synonym { name: name.to_owned(), value: Some(value.clone()), source };
    Entry {
        name: name.to_owned(),
        value: Some(value),
        source,
        kind: kind as i8,
        is_read_only: true,
        is_sensitive: false,
        synonyms: vec![synonym],
        documentation: Some(documentation),
    }
}
