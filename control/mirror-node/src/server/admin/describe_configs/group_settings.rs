//! Settings of groups of the new protocol: those of the node, which hold for every group.

use group_coordinator::coordinator::GroupSettings;

use super::{Entry, Source};
use crate::node::Node;
use crate::topic_settings::SettingKind;

/// What holds for consumers; a value that the node was given is no default.
pub(super) fn entries(node: &Node) -> Vec<Entry> {
    let default = GroupSettings::default();
    let ours = node.groups.get().map_or(&default, |groups| groups.settings());
    vec![
        entry(
            "consumer.heartbeat.interval.ms",
            ours.consumer_heartbeat_interval_ms.into(),
            default.consumer_heartbeat_interval_ms.into(),
            "How often a member of the consumer protocol is told to report.",
        ),
        entry(
            "consumer.session.timeout.ms",
            ours.consumer_session_timeout_ms,
            default.consumer_session_timeout_ms,
            "After how long without a report a member of the consumer protocol is gone.",
        ),
    ]
}

fn entry(name: &str, value: u64, default: u64, documentation: &'static str) -> Entry {
    Entry {
        name: name.to_owned(),
        value: Some(value.to_string()),
        source: if value == default { Source::Default } else { Source::StaticBroker },
        kind: SettingKind::Int as i8,
        is_read_only: true,
        is_sensitive: false,
        synonyms: Vec::new(),
        documentation: Some(documentation),
    }
}
