use std::collections::BTreeMap;

use kafka_log::log_config::LogConfig;
use mirror_coordinator::coordinator::UncleanElection;
use mirror_coordinator::retry::RetryPolicy;
use mirror_uring::ShardLimits;

use super::{MirrorConfig, RECENT_BYTES, engine_config, recent_buffers, source_news::log_config};
use crate::client_properties::ClientProperties;
use crate::topic_filter::TopicFilter;

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
fn settings_of_the_client_configuration_reach_the_engine() {
    let text = "fetch.max.bytes=123\nrequest.timeout.ms=456\nreconnect.backoff.max.ms=789";
    let config = MirrorConfig {
        properties: ClientProperties::parse(text).unwrap(),
        filter: TopicFilter::new("x", None).unwrap(),
        data_dir: "d".into(),
        cores: vec![1],
        limits: ShardLimits::default(),
        recent_bytes: RECENT_BYTES,
        unclean_election: UncleanElection::Fail,
        retry: RetryPolicy::default(),
        until_caught_up: false,
        seed: 3,
    };
    let limits = engine_config(&config, "d".as_ref(), false).limits;
    assert_eq!((limits.fetch_bytes_max, limits.request_timeout_ms), (123, 456));
    assert_eq!(limits.backoff_max_ms, 789);
    assert_eq!(limits.fetch_wait_ms, ShardLimits::default().fetch_wait_ms);
    let reuses_files =
        |is_served| engine_config(&config, "d".as_ref(), is_served).limits.reuse_files;
    assert!(reuses_files(false) && !reuses_files(true), "a client may hold a retired file open");
    assert_eq!(limits.recent_buffer_count, 0, "nobody reads");
    assert_eq!(engine_config(&config, "d".as_ref(), true).limits.recent_buffer_count, 256);
    let two = MirrorConfig { cores: vec![0, 1], ..config };
    assert_eq!(recent_buffers(&two), 128, "shared by the shards");
    assert_eq!(recent_buffers(&MirrorConfig { recent_bytes: 0, ..two }), 0);
}
