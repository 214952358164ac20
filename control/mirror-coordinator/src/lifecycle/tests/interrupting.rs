//! Changes of mind, refused writes and lost answers, at any moment.

use super::rig::{Rig, epoch, mirror, source_epoch, stored};
use crate::desired_state::DesiredState;
use crate::lifecycle::{Action, EngineEvent, Input, PersistFailure};
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::state_epoch::StateEpoch;
use crate::stored_state::StoredState;

fn refused(state: State, leader_epoch: i32, state_epoch: i32) -> PersistFailure {
    let stored = StoredState {
        state,
        leader_epoch: Some(epoch(leader_epoch)),
        state_epoch: StateEpoch::from_wire(state_epoch).unwrap(),
        ..StoredState::UNKNOWN
    };
    PersistFailure::Refused { stored, position: MirrorPosition::EMPTY }
}

#[test]
fn a_stop_wanted_during_alignment_cancels_it_and_records_no_position() {
    let mut rig = Rig::aligning();
    let shown = rig.want(DesiredState::Stopped);
    assert_eq!(shown, "cancel align; write STOPPING before LOG_ALIGNMENT");
    rig.run();
    assert_eq!(rig.state(), State::Stopped);
    assert!(rig.lifecycle.position(rig.partition).is_empty(), "Q2: mirroring never began");
}

#[test]
fn q2_a_restart_or_a_failure_in_between_does_not_forget_that_mirroring_never_began() {
    let stopping = stored(State::Stopping, State::LogAlignment, 0);
    let failed = stored(State::Failed, State::LogAlignment, 2);
    for stored in [stopping, failed] {
        let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
        rig.want(DesiredState::Stopped);
        let seal = rig.refuse_when(|action| matches!(action, Action::SealLog { .. }));
        assert!(seal.ends_with("before LOG_ALIGNMENT"), "{seal}");
        rig.run();
        rig.wait();
        rig.run();
        assert_eq!(rig.state(), State::Stopped);
        assert!(rig.lifecycle.position(rig.partition).is_empty());
    }
}

#[test]
fn a_stop_wanted_while_a_write_is_under_way_waits_for_its_answer() {
    let mut rig = Rig::new();
    rig.source(1, 2);
    rig.want(DesiredState::Mirroring);
    assert_eq!(rig.want(DesiredState::Stopped), "");
    let shown = rig.answer();
    assert_eq!(shown, "UNKNOWN -> LOG_ALIGNMENT; write STOPPING before LOG_ALIGNMENT");
}

#[test]
fn clients_write_no_more_once_mirroring_is_wanted_also_while_a_write_is_under_way() {
    let stored = stored(State::Stopped, State::Unknown, 0);
    let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
    rig.want(DesiredState::Stopped);
    rig.run();
    rig.leader_epoch = 9;
    assert_eq!(rig.want(DesiredState::Stopped), "write STOPPED");
    assert_eq!(rig.want(DesiredState::Mirroring), "close");
    assert_eq!(rig.answer(), "close; write LOG_ALIGNMENT no position");
}

#[test]
fn a_stop_wanted_while_our_epoch_is_raised_goes_first_and_the_late_epoch_still_counts() {
    let mut rig = Rig::mirroring();
    rig.engine(EngineEvent::Fenced { batch_epoch: source_epoch(100) });
    assert_eq!(rig.answer(), "MIRRORING -> EPOCH_FENCING; raise above 110");
    assert_eq!(rig.want(DesiredState::Stopped), "write STOPPING");
    assert_eq!(rig.answer(), "", "the raise of before");
    assert_eq!(rig.lifecycle.leader_epoch(rig.partition), Some(epoch(111)));
    rig.run();
    assert_eq!(rig.state(), State::Stopped);
    assert_eq!(rig.lifecycle.leader_epoch(rig.partition), Some(epoch(112)));
}

#[test]
fn a_pause_wanted_during_alignment_comes_after_it_without_a_fetch() {
    let mut rig = Rig::aligning();
    assert_eq!(rig.want(DesiredState::Paused), "");
    let shown = rig.run();
    assert!(!shown.contains("add from"), "{shown}");
    assert_eq!(rig.state(), State::Paused);
    assert_eq!(rig.want(DesiredState::Mirroring), "write MIRRORING");
    assert_eq!(rig.answer(), "PAUSED -> MIRRORING; add from 1 at 3; raise above 12");
}

#[test]
fn a_resume_wanted_while_pausing_comes_after_the_pause() {
    let mut rig = Rig::mirroring();
    assert_eq!(rig.want(DesiredState::Paused), "write PAUSING");
    assert_eq!(rig.answer(), "MIRRORING -> PAUSING; pause");
    assert_eq!(rig.want(DesiredState::Mirroring), "");
    let expected = "write PAUSED\nPAUSING -> PAUSED; write MIRRORING\nPAUSED -> MIRRORING; resume";
    assert_eq!(rig.run(), expected);
}

#[test]
fn x2_a_writer_behind_in_state_epochs_reads_again_and_writes_only_what_still_follows() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    // Someone moved it to PAUSING already: its work is done, not the write again.
    assert_eq!(rig.refuse_write(refused(State::Pausing, 3, 9)), "MIRRORING -> PAUSING; pause");
    assert_eq!(rig.run(), "write PAUSED\nPAUSING -> PAUSED");
    assert_eq!(rig.lifecycle.stored(rig.partition).unwrap().state_epoch.get(), 10);
}

#[test]
fn a_write_that_is_refused_again_and_again_waits_between_attempts() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    assert_eq!(rig.refuse_write(refused(State::Mirroring, 3, 9)), "write PAUSING");
    assert_eq!(rig.refuse_write(refused(State::Mirroring, 3, 10)), "");
    assert_eq!(rig.wait(), "write PAUSING");
    assert_eq!(rig.now_ms, 1_000);
}

#[test]
fn x2_a_leader_that_was_overtaken_stops_fetching_and_writes_nothing_until_it_leads_again() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    let shown = rig.refuse_write(refused(State::Mirroring, 99, 9));
    assert_eq!(shown, "remove; raise above 99");
    assert_eq!(rig.refuse(), "", "it does not lead, so it gets no epoch");
    assert_eq!(rig.source(2, 3), "");
    rig.leader_epoch = 120;
    assert_eq!(rig.want(DesiredState::Paused), "write PAUSING");
}

#[test]
fn h17_an_epoch_asked_for_when_overtaken_is_no_step_of_the_stop() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Stopped);
    assert_eq!(
        rig.refuse_write(refused(State::Stopping, 99, 9)),
        "MIRRORING -> STOPPING; remove; raise above 99"
    );
    // Meanwhile it is told that it leads.
    rig.leader_epoch = 120;
    assert_eq!(rig.want(DesiredState::Stopped), "write STOPPING");
    rig.run();
    assert_eq!(rig.state(), State::Stopped);
    assert_eq!(rig.lifecycle.position(rig.partition), MirrorPosition::from_wire(2, 40));
}

#[test]
fn an_overtaken_leader_that_is_given_an_epoch_goes_on() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    rig.refuse_write(refused(State::Mirroring, 99, 9));
    let expected = "write PAUSING\nMIRRORING -> PAUSING; write PAUSED\nPAUSING -> PAUSED";
    assert_eq!(rig.run(), expected);
}

#[test]
fn x3_a_write_whose_answer_is_lost_is_repeated_after_a_pause_and_found_done() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    let reason = "the coordinator moved".to_owned();
    assert_eq!(rig.refuse_write(PersistFailure::Unavailable { reason }), "");
    assert_eq!(rig.wait(), "write PAUSING");
    let found = refused(State::Pausing, 3, 6);
    assert_eq!(rig.refuse_write(found), "MIRRORING -> PAUSING; pause");
}

#[test]
fn x3_what_is_stored_is_asked_again_when_a_lost_write_is_no_longer_wanted() {
    let mut rig = Rig::mirroring();
    rig.want(DesiredState::Paused);
    let reason = "the coordinator moved".to_owned();
    rig.refuse_write(PersistFailure::Unavailable { reason });
    assert_eq!(rig.want(DesiredState::Mirroring), "");
    assert_eq!(rig.wait(), "write MIRRORING");
    // The pause was stored after all: it is brought to its end, and then it goes on.
    let found = refused(State::Pausing, 3, 6);
    assert_eq!(rig.refuse_write(found), "MIRRORING -> PAUSING; pause");
    let expected = "write PAUSED\nPAUSING -> PAUSED; write MIRRORING\nPAUSED -> MIRRORING; resume";
    assert_eq!(rig.run(), expected);
}

#[test]
fn a_failure_whose_write_is_refused_is_not_forgotten() {
    let mut rig = Rig::mirroring();
    let write = "write FAILED attempt 1 before MIRRORING";
    rig.fail("broken", crate::retry::RetryClass::Retryable);
    assert_eq!(rig.refuse_write(refused(State::Mirroring, 3, 9)), write);
    let reason = "disk full".to_owned();
    assert_eq!(rig.refuse_write(PersistFailure::Unavailable { reason }), "");
    assert_eq!(rig.wait(), write);
    assert_eq!(rig.run(), "MIRRORING -> FAILED (broken)");
}

#[test]
fn h1_the_same_change_of_mind_twice_is_carried_out_twice() {
    let mut rig = Rig::mirroring();
    for _ in 0..2 {
        assert_eq!(rig.want(DesiredState::Paused), "write PAUSING");
        rig.run();
        assert_eq!(rig.want(DesiredState::Mirroring), "write MIRRORING");
        rig.run();
    }
}

#[test]
fn an_unbound_partition_ignores_every_late_answer() {
    let mut rig = Rig::aligning();
    assert_eq!(rig.tell(Input::Unbound(rig.partition)), "cancel align");
    assert_eq!(rig.run(), "");
    assert_eq!(rig.state(), State::Unknown);
    assert_eq!(rig.lifecycle.mirror_of(rig.partition), None);
    assert_eq!(rig.lifecycle.partitions_of(&mirror("m")).count(), 0);
}

#[test]
fn answers_to_a_former_life_of_a_partition_do_not_count_in_the_next() {
    let mut rig = Rig::aligning();
    rig.tell(Input::Unbound(rig.partition));
    let late: Vec<_> = rig.unanswered.drain(..).collect();
    assert_eq!(rig.want(DesiredState::Mirroring), "close; write LOG_ALIGNMENT no position");
    assert_eq!(rig.answer(), "UNKNOWN -> LOG_ALIGNMENT; close; align");
    let ours: Vec<_> = rig.unanswered.drain(..).collect();
    rig.unanswered.extend(late);
    assert_eq!(rig.run(), "", "aligned with the source of before");
    rig.unanswered.extend(ours);
    assert_eq!(rig.answer(), "await same");
}

#[test]
fn a_partition_bound_again_is_aligned_only_when_the_engine_has_let_go_of_it() {
    let mut rig = Rig::mirroring();
    assert_eq!(rig.tell(Input::Unbound(rig.partition)), "remove");
    let remove = rig.unanswered.pop_back().unwrap();
    assert_eq!(rig.want(DesiredState::Mirroring), "close; write LOG_ALIGNMENT no position");
    assert_eq!(rig.answer(), "UNKNOWN -> LOG_ALIGNMENT");
    rig.unanswered.push_back(remove);
    assert_eq!(rig.answer(), "close; align");
}

#[test]
fn x22_a_new_leader_in_a_stop_leaves_the_position_where_it_is() {
    let mut stopping = stored(State::Stopping, State::Unknown, 0);
    stopping.leader_epoch = Some(epoch(14));
    let position = MirrorPosition::from_wire(2, 40);
    let mut rig = Rig::restored(stopping, position);
    rig.leader_epoch = 15;
    rig.end = super::rig::log_end(14, 42); // ABORT and reset of the leader before
    assert_eq!(rig.want(DesiredState::Stopped), "write STOPPING");
    assert_eq!(
        rig.run(),
        "\
measure
await all
raise above 14
seal at 16
write STOPPED
STOPPING -> STOPPED; open at 16"
    );
    assert_eq!(rig.lifecycle.position(rig.partition), position);
}

#[test]
fn a_source_whose_settings_changed_is_left_and_joined_again_when_it_is_named() {
    let mut rig = Rig::mirroring();
    assert_eq!(rig.tell(Input::SourceForgotten(mirror("m"))), "remove");
    assert_eq!(rig.run(), "refresh");
    assert_eq!(rig.source(4, 0), "add from 4 at 13");
}

#[test]
fn h16_our_epoch_is_raised_above_the_batch_even_if_the_source_s_metadata_lags() {
    let mut rig = Rig::mirroring();
    let fenced = EngineEvent::Fenced { batch_epoch: source_epoch(50) };
    assert_eq!(rig.engine(fenced), "write EPOCH_FENCING");
    assert_eq!(
        rig.run(),
        "\
MIRRORING -> EPOCH_FENCING; raise above 60
write MIRRORING
EPOCH_FENCING -> MIRRORING; our epoch 61"
    );
}

#[test]
fn x7_epochs_near_the_largest_are_raised_as_far_as_there_are_any() {
    let mut rig = Rig::mirroring();
    let fenced = |raw| EngineEvent::Fenced { batch_epoch: source_epoch(raw) };
    rig.engine(fenced(i32::MAX - 1));
    let raised = format!("MIRRORING -> EPOCH_FENCING; raise above {}", i32::MAX - 1);
    assert_eq!(rig.answer(), raised);
    rig.run();
    assert_eq!(rig.lifecycle.leader_epoch(rig.partition), Some(epoch(i32::MAX)));
    // The largest covers all there are; nothing is raised any more, and nothing is asked.
    assert_eq!(rig.engine(fenced(i32::MAX)), format!("our epoch {}", i32::MAX));
    rig.end = super::rig::log_end(i32::MAX - 1, 40);
    rig.want(DesiredState::Stopped);
    rig.run();
    assert_eq!(rig.state(), State::Stopped);
}

#[test]
fn x7_a_log_whose_last_epoch_is_the_largest_cannot_be_stopped_and_says_so() {
    let mut rig = Rig::mirroring();
    rig.engine(EngineEvent::Fenced { batch_epoch: source_epoch(i32::MAX - 1) });
    rig.run();
    rig.end = super::rig::log_end(i32::MAX, 40);
    rig.want(DesiredState::Stopped);
    rig.run();
    let failure = rig.lifecycle.failure(rig.partition).unwrap();
    assert_eq!(failure.attempt, None);
    assert!(failure.reason.contains("leaves none for our own batches"), "{}", failure.reason);
}

#[test]
fn x7_nine_elections_in_a_row_raise_our_epoch_once() {
    let mut rig = Rig::mirroring(); // source epoch 2, ours 13
    let mut raises = 0;
    for source in 3..=12 {
        raises += rig.source(1, source).matches("raise").count();
        rig.run();
    }
    assert_eq!(raises, 1);
    assert_eq!(rig.lifecycle.leader_epoch(rig.partition), Some(epoch(22)));
}
