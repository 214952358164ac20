//! Settings of groups of the new protocol: the defaults, which nobody can change.

use super::{Entry, Source};
use crate::topic_settings::SettingKind;

/// Kafka's defaults for consumers.
pub(super) fn entries() -> Vec<Entry> {
    let entry = |name: &str, value: &str, documentation| Entry {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        source: Source::Default,
        kind: SettingKind::Int as i8,
        is_read_only: true,
        is_sensitive: false,
        synonyms: Vec::new(),
        documentation: Some(documentation),
    };
    vec![
        entry(
            "consumer.heartbeat.interval.ms",
            "5000",
            "How often a member of the consumer protocol is told to report.",
        ),
        entry(
            "consumer.session.timeout.ms",
            "45000",
            "After how long without a report a member of the consumer protocol is gone.",
        ),
    ]
}
