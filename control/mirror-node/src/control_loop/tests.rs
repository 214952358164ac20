use std::collections::BTreeMap;

use kafka_log::log_config::LogConfig;
use mirror_uring::ShardLimits;

use super::engine_start::{
    EngineSettings, RECENT_BYTES, engine_config, recent_buffers, source_limits,
};
use super::log_config;
use crate::client_properties::ClientProperties;

mod aligning;
mod left_closed;
mod looks;
mod loop_rig;
mod memory;
mod settings;
mod shut_down;
mod starting;
mod state_order;
mod states_given_up;
mod told_epochs;
mod topic_changes;

#[test]
fn segment_sizes_come_from_the_topics_explicit_settings() {
    let configs = BTreeMap::from([
        ("segment.bytes".to_owned(), "1048576".to_owned()),
        ("segment.ms".to_owned(), " 60000 ".to_owned()),
        ("index.interval.bytes".to_owned(), "-1".to_owned()),
        ("segment.index.bytes".to_owned(), "lots".to_owned()),
    ]);
    let default = LogConfig::default();
    let config = log_config(&configs);
    assert_eq!(config.segment_bytes, 1 << 20);
    assert_eq!(config.segment_ms, 60_000);
    assert_eq!(config.index_interval_bytes, default.index_interval_bytes);
    assert_eq!(config.segment_index_bytes, default.segment_index_bytes);
}

#[test]
fn a_source_is_asked_as_its_mirror_says_and_the_engine_as_the_node_says() {
    let text = "fetch.max.bytes=123\nrequest.timeout.ms=456\nreconnect.backoff.max.ms=789";
    let properties = ClientProperties::parse(text).unwrap();
    let settings = EngineSettings {
        cores: vec![1],
        limits: ShardLimits::default(),
        recent_bytes: RECENT_BYTES,
    };
    let of_source = source_limits(&settings, &properties);
    assert_eq!((of_source.fetch_bytes_max, of_source.request_timeout_ms), (123, 456));
    assert_eq!(of_source.backoff_max_ms, 789);
    assert_eq!(of_source.fetch_wait_ms, ShardLimits::default().fetch_wait_ms);
    let limits = |is_served| engine_config(&settings, "d".as_ref(), is_served).limits;
    let unserved = limits(false);
    let reuses_files = |is_served| limits(is_served).reuse_files;
    assert!(reuses_files(false) && !reuses_files(true), "a client may hold a retired file open");
    assert_eq!(unserved.recent_buffer_count, 0, "nobody reads");
    assert_eq!(limits(true).recent_buffer_count, 256);
    let two = EngineSettings { cores: vec![0, 1], ..settings.clone() };
    assert_eq!(recent_buffers(&two), 128, "shared by the shards");
    assert_eq!(recent_buffers(&EngineSettings { recent_bytes: 0, ..two }), 0);
}
