use std::sync::Arc;

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_log::LogPlace;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use mirror_uring::Progress;

use super::LogPublisher;
use crate::log_view::LogView;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).unwrap()
}

fn progress(end: i64) -> Progress {
    Progress {
        log_start: LogStartOffset::new(Offset::ZERO),
        log_end: LogEndOffset::new(offset(end)),
        end_place: LogPlace { segment: Offset::ZERO, position: 100 },
        last_stable_offset: LastStableOffset::new(offset(end)),
        recovery_point: Offset::ZERO,
        source_high_watermark: None,
        last_epoch: None,
        producer_id_max: None,
    }
}

fn publisher() -> (LogPublisher, Arc<LogView>) {
    let view = Arc::new(LogView::new("a-0".into()));
    (LogPublisher::new(Arc::clone(&view)), view)
}

#[test]
fn nothing_is_shown_of_a_log_until_it_is_open() {
    let (mut publisher, view) = publisher();
    publisher.announce(epoch(3));
    publisher.on_progress(&progress(5));
    assert!(view.state().is_none());
    publisher.on_loaded(&progress(7), EpochHistory::default());
    let state = view.state().unwrap();
    assert_eq!((state.log_end.offset(), state.leader_epoch), (offset(7), epoch(3)));
    assert_eq!(state.high_watermark.offset(), offset(7));
    publisher.close();
    publisher.on_progress(&progress(9));
    assert!(view.state().is_none());
}

#[test]
fn a_log_that_is_opened_again_makes_what_was_learnt_of_its_files_void() {
    let (mut publisher, view) = publisher();
    publisher.on_loaded(&progress(7), EpochHistory::default());
    let before = view.state().unwrap().cut_count;
    publisher.on_progress(&progress(9));
    assert_eq!(view.state().unwrap().cut_count, before);
    publisher.close();
    publisher.on_loaded(&progress(4), EpochHistory::default());
    assert!(view.state().unwrap().cut_count > before);

    // Another publisher goes on counting.
    let mut next = LogPublisher::new(Arc::clone(&view));
    let before = view.state().unwrap().cut_count;
    next.on_loaded(&progress(4), EpochHistory::default());
    assert!(view.state().unwrap().cut_count > before);
}

#[test]
fn a_leader_epoch_never_goes_back() {
    let (mut publisher, view) = publisher();
    publisher.on_loaded(&progress(7), EpochHistory::default());
    publisher.announce(epoch(16));
    publisher.announce(epoch(11));
    assert_eq!(view.state().unwrap().leader_epoch, epoch(16));
    let mut next = LogPublisher::new(Arc::clone(&view));
    next.on_loaded(&progress(7), EpochHistory::default());
    assert_eq!(view.state().unwrap().leader_epoch, epoch(16));
}

#[test]
fn an_epoch_that_began_is_shown_with_the_progress_that_covers_it() {
    let (mut publisher, view) = publisher();
    publisher.on_loaded(&progress(7), EpochHistory::default());
    let held = view.state().unwrap();
    publisher.on_epoch_began(SourceLeaderEpoch::from_wire(4).unwrap(), offset(7));
    assert!(view.state().unwrap().epochs.entries().is_empty());
    publisher.on_progress(&progress(8));
    assert_eq!(view.state().unwrap().epochs.entries().len(), 1);
    assert!(held.epochs.entries().is_empty());
}

#[test]
fn an_epoch_that_is_announced_while_another_writes_leaves_the_rest_as_that_one_told_it() {
    let (mut publisher, view) = publisher();
    publisher.on_loaded(&progress(3), EpochHistory::default());
    publisher.rest();
    let mut other = crate::log_view::LogState::clone(&view.state().unwrap());
    other.leader_epoch = epoch(20);
    view.publish(other.clone());
    publisher.announce(epoch(13));
    assert_eq!(view.state().unwrap().leader_epoch, epoch(20), "it was above already");
    assert_eq!(publisher.leader_epoch(), epoch(20));
    publisher.announce(epoch(21));
    view.publish(other);
    assert_eq!(view.state().unwrap().leader_epoch, epoch(21), "the other has not heard of it");
}
