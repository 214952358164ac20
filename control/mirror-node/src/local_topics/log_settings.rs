//! From the settings of a topic to those of its logs.

use std::collections::BTreeMap;

use kafka_log::log_config::LogConfig;

use crate::topic_settings::{
    CLEANUP_POLICY, INDEX_INTERVAL_BYTES, MAX_MESSAGE_BYTES, RETENTION_BYTES, RETENTION_MS,
    SEGMENT_BYTES, SEGMENT_INDEX_BYTES, SEGMENT_MS, TIMESTAMP_AFTER_MAX_MS,
    TIMESTAMP_BEFORE_MAX_MS, TIMESTAMP_TYPE, has, long,
};
use crate::writable_log::LogSettings;
use crate::writable_log::settings::{CleanupPolicy, TimestampType};

/// What holds for the logs of a topic with these settings.
pub(super) fn of(configs: &BTreeMap<String, String>) -> LogSettings {
    let bytes =
        |name| u32::try_from(long(configs, name)).expect("the table has these not below zero");
    let deletes = has(configs, CLEANUP_POLICY, "delete");
    let cleanup = match (deletes, has(configs, CLEANUP_POLICY, "compact")) {
        (true, true) => CleanupPolicy::CompactAndDelete,
        (false, true) => CleanupPolicy::Compact,
        // With no policy at all nothing leaves, and no record needs a key.
        (_, false) => CleanupPolicy::Delete,
    };
    let keeps_all = !deletes;
    let timestamp_type = if has(configs, TIMESTAMP_TYPE, "LogAppendTime") {
        TimestampType::LogAppendTime
    } else {
        TimestampType::CreateTime
    };
    LogSettings {
        log: LogConfig {
            segment_bytes: bytes(SEGMENT_BYTES),
            segment_ms: long(configs, SEGMENT_MS),
            index_interval_bytes: bytes(INDEX_INTERVAL_BYTES),
            segment_index_bytes: bytes(SEGMENT_INDEX_BYTES),
        },
        retention_ms: Some(long(configs, RETENTION_MS)).filter(|limit| *limit >= 0 && !keeps_all),
        retention_bytes: u64::try_from(long(configs, RETENTION_BYTES)).ok().filter(|_| !keeps_all),
        max_message_bytes: bytes(MAX_MESSAGE_BYTES),
        timestamp_type,
        timestamp_before_max_ms: long(configs, TIMESTAMP_BEFORE_MAX_MS),
        timestamp_after_max_ms: long(configs, TIMESTAMP_AFTER_MAX_MS),
        cleanup,
    }
}
