use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;
use mirror_uring::Progress;

use super::BookEntry;
use crate::log_publisher::LogPublisher;
use crate::log_view::LogView;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn progress(start: i64, durable: i64, end: i64, high_watermark: i64) -> Progress {
    Progress {
        log_start: LogStartOffset::new(offset(start)),
        log_end: LogEndOffset::new(offset(end)),
        end_place: LogPlace::default(),
        last_stable_offset: LastStableOffset::new(offset(end)),
        recovery_point: offset(durable),
        source_high_watermark: Some(HighWatermark::new(offset(high_watermark))),
        last_epoch: None,
        producer_id_max: None,
    }
}

fn entry() -> BookEntry {
    BookEntry {
        name: TopicPartition::parse_directory("a-0").unwrap(),
        source_has_topic_ids: true,
        log_config: LogConfig::default(),
        progress: None,
        publisher: LogPublisher::new(Arc::new(LogView::new("a-0".into()))),
        loaded_end: None,
        target: None,
        is_in_engine: true,
        behind_since: None,
        leader: None,
        left_engine: None,
        progressed_at: None,
    }
}

#[test]
fn a_checkpoint_never_covers_more_than_what_is_durable() {
    let checkpoint = entry().note_progress(progress(5, 10, 20, 30));
    assert_eq!(checkpoint.recovery_point, offset(10));
    assert_eq!(checkpoint.high_watermark, Some(offset(10)));
    assert_eq!(checkpoint.log_start.offset(), offset(5));
    let checkpoint = entry().note_progress(progress(5, 30, 20, 7));
    assert_eq!(checkpoint.recovery_point, offset(20));
    assert_eq!(checkpoint.high_watermark, Some(offset(7)));
}

#[test]
fn a_log_that_is_opened_again_counts_from_where_it_was_first() {
    let mut entry = entry();
    entry.note_loaded(progress(0, 10, 10, 30));
    entry.note_loaded(progress(0, 10, 20, 30));
    assert_eq!(entry.loaded_end, Some(offset(10)));
}
