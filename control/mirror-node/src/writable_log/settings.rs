//! The topic settings that a log written here obeys; defaults are Kafka's.

use kafka_log::log_config::LogConfig;

/// Settings of one topic, with their units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Segment and index sizes.
    pub log: LogConfig,
    /// `retention.ms`; `None` keeps records whatever their age.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` keeps records however many.
    pub retention_bytes: Option<u64>,
    /// `max.message.bytes`: largest batch a client may produce.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie behind our clock.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far it may lie ahead of our clock.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy`
    pub cleanup: CleanupPolicy,
}

/// Whose clock the timestamps of records are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// Ours, when the batch is appended.
    LogAppendTime,
}

/// What may happen to old records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// `delete`
    #[default]
    Delete,
    /// `compact`: every record needs a key.
    Compact,
    /// `compact,delete`
    CompactAndDelete,
}

impl CleanupPolicy {
    /// True when old segments leave by age and size.
    #[must_use]
    pub const fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::CompactAndDelete)
    }

    /// True when every record needs a key.
    #[must_use]
    pub const fn compacts(self) -> bool {
        matches!(self, Self::Compact | Self::CompactAndDelete)
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            log: LogConfig::default(),
            retention_ms: Some(7 * 24 * 3600 * 1000),
            retention_bytes: None,
            max_message_bytes: (1 << 20) + 12,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3600 * 1000,
            cleanup: CleanupPolicy::Delete,
        }
    }
}
