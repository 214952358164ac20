//! FAILED: what is written of failures, when they are tried again, and who helps when they are not.

use super::rig::{Rig, mirror, partition, source_epoch, stored};
use crate::desired_state::DesiredState;
use crate::lifecycle::{Action, EngineEvent, Input};
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::RetryClass;

fn progressed(rig: &mut Rig) -> String {
    rig.engine(EngineEvent::Progressed { last_epoch: Some(source_epoch(2)) })
}

#[test]
fn failures_in_a_row_are_counted_and_tried_again_after_longer_and_longer_pauses() {
    let mut rig = Rig::mirroring();
    let mut pauses = Vec::new();
    for attempt in 1..3 {
        let write = format!("refresh; write FAILED attempt {attempt} before MIRRORING");
        assert_eq!(rig.fail("broken", RetryClass::Retryable), write);
        assert_eq!(rig.run(), "MIRRORING -> FAILED (broken)");
        let begin_ms = rig.now_ms;
        let again = format!("refresh; write MIRRORING attempt {attempt} before MIRRORING");
        assert_eq!(rig.wait(), again);
        pauses.push(rig.now_ms - begin_ms);
        assert_eq!(rig.run(), "FAILED -> MIRRORING; resume");
    }
    assert!((160..=240).contains(&pauses[0]) && (320..=480).contains(&pauses[1]), "{pauses:?}");
    // The third is the last of three.
    rig.fail("broken", RetryClass::Retryable);
    assert_eq!(rig.run(), "MIRRORING -> FAILED (broken)");
    assert_eq!(rig.lifecycle.next_due_ms(), None);
    assert_eq!(rig.lifecycle.failure(rig.partition).unwrap().attempt, Some(3));
}

#[test]
fn the_first_progress_clears_the_failure_once_and_counting_begins_anew() {
    let mut rig = Rig::mirroring();
    rig.fail("broken", RetryClass::Retryable);
    rig.run();
    rig.wait();
    rig.run();
    assert!(rig.lifecycle.failure(rig.partition).is_some());
    assert_eq!(progressed(&mut rig), "write MIRRORING");
    assert_eq!(progressed(&mut rig), "", "the write is under way");
    assert_eq!(rig.run(), "");
    assert_eq!(progressed(&mut rig), "", "H6: only when there is something to clear");
    assert_eq!(rig.lifecycle.failure(rig.partition), None);
    let write = "refresh; write FAILED attempt 1 before MIRRORING";
    assert_eq!(rig.fail("broken", RetryClass::Retryable), write);
}

#[test]
fn what_no_retry_cures_is_not_tried_again_and_a_failed_partition_can_still_fail_for_good() {
    let mut rig = Rig::mirroring();
    rig.fail("broken", RetryClass::Retryable);
    rig.run();
    assert!(rig.lifecycle.next_due_ms().is_some());
    let lost = Input::TopicLost { topic_id: rig.partition.topic_id, reason: "deleted".to_owned() };
    assert_eq!(rig.tell(lost.clone()), "write FAILED attempt -1 before MIRRORING");
    assert_eq!(rig.run(), "FAILED -> FAILED (deleted)");
    assert_eq!(rig.lifecycle.next_due_ms(), None);
    assert_eq!(rig.tell(lost), "");
    assert_eq!(rig.fail("broken", RetryClass::Retryable), "refresh");
}

#[test]
fn a_failed_alignment_keeps_counting_though_its_record_does_not() {
    let mut rig = Rig::new();
    rig.source(1, 2);
    rig.want(DesiredState::Mirroring);
    let is_align = |action: &Action| matches!(action, Action::Align { .. });
    for attempt in 1..=2 {
        let write = format!("write FAILED attempt {attempt} before LOG_ALIGNMENT");
        assert_eq!(rig.refuse_when(is_align), write);
        rig.run();
        // Bookkeeping when leaving FAILED: cleared for LOG_ALIGNMENT.
        assert_eq!(rig.wait(), "refresh; write LOG_ALIGNMENT no position");
    }
    rig.refuse_when(is_align);
    rig.run();
    assert_eq!(rig.lifecycle.next_due_ms(), None, "three failures are all");
}

#[test]
fn recover_writes_the_state_before_the_failure_without_attempts_and_error() {
    let mut rig = Rig::mirroring();
    rig.fail("diverged", RetryClass::NonRetryable);
    rig.run();
    let recover = Input::Recover(rig.partition);
    assert_eq!(rig.tell(recover.clone()), "refresh; write MIRRORING");
    assert_eq!(rig.run(), "FAILED -> MIRRORING; resume");
    assert_eq!(rig.lifecycle.failure(rig.partition), None);
    assert_eq!(rig.tell(recover), "", "only what failed is recovered");
}

#[test]
fn recover_of_a_failed_pause_and_of_nothing_known() {
    for (before, wanted, expected) in [
        (State::Unknown, DesiredState::Mirroring, "LOG_ALIGNMENT no position"),
        (State::LogAlignment, DesiredState::Paused, "LOG_ALIGNMENT no position"),
        (State::Paused, DesiredState::Paused, "PAUSED"),
        (State::Pausing, DesiredState::Paused, "PAUSING"),
        (State::Paused, DesiredState::Mirroring, "MIRRORING"),
        (State::Mirroring, DesiredState::Paused, "PAUSING"),
        (State::UleRecovery, DesiredState::Mirroring, "ULE_RECOVERY"),
        (State::UleRecovery, DesiredState::Paused, "ULE_RECOVERY"),
        (State::EpochFencing, DesiredState::Mirroring, "EPOCH_FENCING"),
        (State::Stopping, DesiredState::Mirroring, "STOPPING"),
    ] {
        let stored = stored(State::Failed, before, -1);
        let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
        assert_eq!(rig.want(wanted), "", "a failure for good waits for the operator");
        let shown = rig.tell(Input::Recover(rig.partition));
        assert_eq!(shown, format!("refresh; write {expected}"), "{before} {wanted}");
    }
}

#[test]
fn a_restart_arms_the_retry_of_a_failure_again() {
    let stored = stored(State::Failed, State::Mirroring, 2);
    let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
    assert_eq!(rig.lifecycle.next_due_ms(), None);
    assert_eq!(rig.want(DesiredState::Mirroring), "");
    assert_eq!(rig.wait(), "refresh; write MIRRORING attempt 2 before MIRRORING");
}

#[test]
fn no_attempts_at_all_disable_retries() {
    let mut rig = Rig::with_attempts(0);
    rig.want(DesiredState::Mirroring);
    rig.source(1, 0);
    rig.run();
    rig.fail("broken", RetryClass::Retryable);
    rig.run();
    assert_eq!((rig.state(), rig.lifecycle.next_due_ms()), (State::Failed, None));
    assert_eq!(rig.tell(Input::Recover(rig.partition)), "refresh; write MIRRORING");
}

#[test]
fn q1_a_failed_partition_can_be_stopped_without_its_source() {
    for attempt in [1, 3, -1] {
        let stored = stored(State::Failed, State::Mirroring, attempt);
        let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
        rig.want(DesiredState::Mirroring);
        assert_eq!(rig.want(DesiredState::Stopped), "write STOPPING");
        rig.run();
        assert_eq!(rig.state(), State::Stopped);
        assert_eq!(rig.lifecycle.position(rig.partition), MirrorPosition::from_wire(2, 40));
    }
}

#[test]
fn a_step_of_a_stop_that_fails_is_tried_again_after_its_pause() {
    let steps: [fn(&Action) -> bool; 2] = [
        |action| matches!(action, Action::RaiseLeaderEpoch { .. }),
        |action| matches!(action, Action::SealLog { .. }),
    ];
    for step in steps {
        let mut rig = Rig::mirroring();
        rig.want(DesiredState::Stopped);
        assert_eq!(rig.refuse_when(step), "write FAILED attempt 1 before STOPPING");
        rig.run();
        assert_eq!(rig.state(), State::Failed, "not tried again at once");
        assert_eq!(rig.wait(), "refresh; write STOPPING attempt 1");
        rig.end = super::rig::log_end(14, 42); // with markers of the first attempt
        rig.run();
        assert_eq!(rig.state(), State::Stopped);
        assert_eq!(rig.lifecycle.failure(rig.partition), None);
        // H17: what the first attempt wrote down stays.
        assert_eq!(rig.lifecycle.position(rig.partition), MirrorPosition::from_wire(2, 40));
    }
}

#[test]
fn a_log_that_cannot_be_opened_for_writing_is_tried_again() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Stopped);
    let shown = rig.refuse_when(|action| matches!(action, Action::OpenForWriting { .. }));
    assert_eq!(shown, "write FAILED attempt 1 before STOPPED");
    rig.run();
    assert_eq!(rig.wait(), "refresh; write STOPPED");
    assert_eq!(rig.run(), "FAILED -> STOPPED; open at 14");
}

#[test]
fn what_is_stopped_or_being_stopped_does_not_fail_with_its_source() {
    let lost = |rig: &Rig| Input::TopicLost {
        topic_id: rig.partition.topic_id,
        reason: "deleted".to_owned(),
    };
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Stopped);
    assert_eq!(rig.tell(lost(&rig)), "");
    rig.run();
    assert_eq!(rig.state(), State::Stopped);
    assert_eq!(rig.tell(lost(&rig)), "");
    let replaced = Input::SourceReplaced { mirror: mirror("m"), reason: "other".to_owned() };
    assert_eq!(rig.tell(replaced), "");
    assert_eq!(rig.state(), State::Stopped);
}

#[test]
fn vk2_one_partition_s_failure_moves_no_other() {
    let mut rig = Rig::mirroring();
    let other = partition(1);
    let first = rig.partition;
    rig.partition = other;
    rig.want(DesiredState::Mirroring);
    rig.source(1, 2);
    rig.run();
    assert_eq!(rig.fail("broken", RetryClass::NonRetryable).matches("write").count(), 1);
    rig.run();
    assert_eq!(rig.lifecycle.state(other), State::Failed);
    assert_eq!(rig.lifecycle.state(first), State::Mirroring);
}

#[test]
fn a_long_reason_is_cut_to_what_a_record_takes() {
    let mut rig = Rig::mirroring();
    rig.fail(&"ä".repeat(2_000), RetryClass::NonRetryable);
    rig.run();
    let reason = rig.lifecycle.failure(rig.partition).unwrap().reason;
    assert_eq!(reason, "ä".repeat(512));
}
