//! The table of KIP-1279's double clamp, and epochs that would make a consumer wait.

use std::sync::Arc;

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_log::LogPlace;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};

use super::{Clamped, NoEpoch, clamp};
use crate::log_view::LogState;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn epoch(raw: i32) -> Option<SourceLeaderEpoch> {
    SourceLeaderEpoch::from_wire(raw)
}

/// A log from `start` to `end` whose epochs begin where `epochs` says; clients are told 9.
fn log(start: i64, end: i64, epochs: &[(i32, i64)]) -> LogState {
    let mut history = EpochHistory::default();
    for (raw, begins) in epochs {
        history.assign(epoch(*raw).unwrap(), offset(*begins));
    }
    LogState {
        log_start: LogStartOffset::new(offset(start)),
        log_end: LogEndOffset::new(offset(end)),
        high_watermark: HighWatermark::new(offset(end)),
        last_stable_offset: LastStableOffset::new(offset(end)),
        end_place: LogPlace { segment: Offset::ZERO, position: 0 },
        epochs: Arc::new(history),
        leader_epoch: LeaderEpoch::from_wire(9).unwrap(),
        cut_count: 0,
    }
}

/// Committed at the source in an epoch (-1 for none) becomes offset, epoch, and whether it was left
/// as it was.
#[track_caller]
fn check(log: &LogState, committed: (i64, i32), becomes: (i64, i32, bool)) {
    let clamped = clamp(offset(committed.0), epoch(committed.1), log).unwrap();
    let expected = Clamped {
        offset: offset(becomes.0),
        leader_epoch: epoch(becomes.1),
        is_as_committed: becomes.2,
    };
    assert_eq!(clamped, expected, "{committed:?}");
}

#[test]
fn an_offset_within_the_log_stays_and_its_epoch_with_it() {
    let log = log(10, 100, &[(2, 10), (4, 50)]);
    check(&log, (10, 2), (10, 2, true));
    check(&log, (50, 2), (50, 2, true));
    check(&log, (51, 4), (51, 4, true));
    check(&log, (100, 4), (100, 4, true));
    check(&log, (70, -1), (70, -1, true));
}

#[test]
fn an_offset_beyond_the_log_becomes_its_end_in_the_last_epoch() {
    check(&log(10, 100, &[(2, 10), (4, 50)]), (101, 4), (100, 4, false));
    check(&log(10, 100, &[(2, 10), (4, 50)]), (i64::MAX, 7), (100, 4, false));
}

#[test]
fn an_offset_below_the_log_becomes_its_start_in_the_epoch_there() {
    check(&log(10, 100, &[(2, 0), (4, 50)]), (0, 1), (10, 2, false));
    check(&log(50, 100, &[(2, 0), (4, 50)]), (49, 2), (50, 4, false));
}

#[test]
fn without_an_epoch_for_a_clamped_offset_there_is_none() {
    let beyond = NoEpoch::AtEnd { committed: offset(1), end: offset(0) };
    assert_eq!(clamp(offset(1), epoch(0), &log(0, 0, &[])), Err(beyond));
    let below = NoEpoch::AtStart { committed: offset(1), start: offset(5) };
    assert_eq!(clamp(offset(1), epoch(0), &log(5, 9, &[])), Err(below));
    let later = NoEpoch::AtStart { committed: offset(1), start: offset(5) };
    assert_eq!(clamp(offset(1), epoch(0), &log(5, 9, &[(3, 6)])), Err(later));
}

/// A consumer waits for a node to know the epoch it committed in, and resets when the epoch ends
/// below where it is: neither may come of what is carried over.
#[test]
fn an_epoch_that_the_log_does_not_bear_out_is_left_behind() {
    let told_9 = log(0, 100, &[(2, 0), (4, 50)]);
    check(&told_9, (60, 5), (60, -1, true));
    check(&told_9, (60, 3), (60, -1, true));
    check(&told_9, (60, 2), (60, -1, true));
    check(&told_9, (60, i32::MAX), (60, -1, true));
    check(&log(0, 0, &[]), (0, 0), (0, -1, true));
    let told_3 = LogState { leader_epoch: LeaderEpoch::from_wire(3).unwrap(), ..told_9 };
    check(&told_3, (60, 4), (60, -1, true));
}
