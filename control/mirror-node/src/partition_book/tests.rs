use std::sync::Arc;
use std::time::Duration;

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;
use mirror_uring::{Progress, ShardLimits};
use tokio::time::Instant;

use super::{BookEntry, Pauses};
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
        refused: None,
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

/// An entry of a partition that had all its source had, and when that was.
fn caught_up() -> (BookEntry, Instant) {
    let mut entry = entry();
    entry.note_progress(progress(0, 20, 20, 20));
    let at = entry.progressed_at.unwrap();
    (entry, at)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_broker_that_answers_others_says_nothing_of_a_partition_that_it_refuses() {
    let pauses = Pauses::of(&ShardLimits::default().source());
    let (mut entry, at) = caught_up();
    assert_eq!(entry.measured_at(Some(at + seconds(3)), at + seconds(3)), Some(at + seconds(3)));
    let refused = at + seconds(4);
    // As often as the engine asks, at the longest.
    for again in 0..20 {
        let now = refused + Duration::from_secs(6) * again / 5;
        entry.note_refused(now, &pauses);
        // The disk is told to have synced.
        entry.note_progress(progress(0, 20, 20, 20));
        entry.progressed_at = Some(now);
        let asked = now + Duration::from_secs(1);
        assert_eq!(entry.measured_at(Some(asked), asked), Some(refused), "refusal {again}");
    }
}

#[test]
fn a_refusal_is_over_with_news_from_the_source_or_when_it_is_not_repeated() {
    let pauses = Pauses::of(&ShardLimits::default().source());
    let (mut entry, at) = caught_up();
    entry.note_refused(at, &pauses);
    entry.note_progress(progress(0, 20, 20, 21));
    assert_eq!(entry.measured_at(Some(at + seconds(9)), at + seconds(9)), Some(at + seconds(9)));
    entry.note_refused(at, &pauses);
    entry.note_progress(progress(0, 20, 21, 21));
    assert_eq!(entry.measured_at(Some(at + seconds(9)), at + seconds(9)), Some(at + seconds(9)));
    // A partition without news: its broker has nothing to tell of it.
    entry.note_refused(at, &pauses);
    assert_eq!(entry.measured_at(Some(at + seconds(1)), at + seconds(1)), Some(at));
    assert_eq!(entry.measured_at(Some(at + seconds(9)), at + seconds(9)), Some(at + seconds(9)));
    // A later one is no word about what was before.
    entry.note_refused(at + seconds(10), &pauses);
    let asked = at + seconds(11);
    assert_eq!(entry.measured_at(Some(asked), asked), Some(at + seconds(10)));
}

#[test]
fn what_left_the_engine_is_known_as_of_then_or_as_of_when_it_was_refused() {
    let pauses = Pauses::of(&ShardLimits::default().source());
    let (mut entry, at) = caught_up();
    entry.is_in_engine = false;
    entry.left_engine = Some(at + seconds(5));
    let now = at + seconds(6);
    assert_eq!(entry.measured_at(Some(now), now), Some(at + seconds(5)));
    entry.note_refused(at + seconds(4), &pauses);
    for now in [now, at + seconds(60)] {
        assert_eq!(entry.measured_at(Some(now), now), Some(at + seconds(4)));
    }
}
