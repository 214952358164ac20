//! Looks at a source are counted as what is carried over is.

use std::time::Duration;

use super::loop_rig::{Stopped, dr};
use crate::source_client::SourceMetadata;
use crate::source_connection::SourceError;
use crate::source_sync::SyncTask;
use crate::source_watch::SourceLook;

/// KIP-1279's meter TopicMetadataRefreshError.
#[tokio::test]
async fn looks_that_fail_are_counted_with_the_last_error() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    let board = std::sync::Arc::clone(&control.node.as_ref().unwrap().board);
    for count in 1..=2 {
        let error = SourceError::NoBootstrap { reasons: vec!["nobody is there".to_owned()] };
        control.on_looked(dr(), Duration::from_millis(7), Err(error)).await.unwrap();
        let report = board.of(&dr()).remove(&SyncTask::TopicMetadata).unwrap();
        let described = report.described(SyncTask::TopicMetadata);
        assert_eq!((described.error_count, described.success_age_ms), (count, -1));
        assert!(described.last_error.unwrap().contains("nobody is there"));
        assert_eq!((described.task.as_str(), described.took_ms), ("topic-metadata", 7));
    }
    let look = SourceLook { metadata: SourceMetadata::default(), ..SourceLook::default() };
    control.on_looked(dr(), Duration::ZERO, Ok(look)).await.unwrap();
    let report = board.of(&dr()).remove(&SyncTask::TopicMetadata).unwrap();
    assert!(report.described(SyncTask::TopicMetadata).success_age_ms >= 0);
}
