use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId, TopicIdPartition};

use super::{Action, Coordinator, EngineEvent, Input, UncleanElection};
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{RetryClass, RetryPolicy};

fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_wire([7; 16]).unwrap(),
        partition: PartitionIndex::from_wire(index).unwrap(),
    }
}

fn broker(id: i32) -> BrokerId {
    BrokerId::from_wire(id).unwrap()
}

fn source_epoch(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).unwrap()
}

fn found(leader: Option<i32>, epoch: i32) -> Input {
    Input::SourcePartition {
        partition: partition(0),
        leader: leader.map(broker),
        epoch: Some(source_epoch(epoch)),
        unclean_election: UncleanElection::Fail,
    }
}

fn engine(event: EngineEvent) -> Input {
    Input::Engine { partition: partition(0), event }
}

fn failed(reason: &str, class: RetryClass) -> Input {
    engine(EngineEvent::Failed { reason: reason.to_owned(), class })
}

struct Driven {
    coordinator: Coordinator,
}

impl Driven {
    fn new() -> Self {
        Self { coordinator: Coordinator::new(RetryPolicy::default(), 1) }
    }

    fn mirroring() -> Self {
        let mut driven = Self::new();
        driven.step(0, found(Some(1), 0));
        driven.step(0, engine(EngineEvent::Loaded { last_epoch: None }));
        assert_eq!(driven.state(), State::Mirroring);
        driven
    }

    fn step(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.coordinator.step(now_ms, input, &mut actions);
        actions
    }

    fn state(&self) -> State {
        self.coordinator.state(partition(0))
    }

    fn due_ms(&self) -> Option<u64> {
        self.coordinator.failure(partition(0)).and_then(|record| record.due_ms)
    }
}

#[test]
fn a_new_partition_is_handed_to_the_engine_with_an_epoch_ahead_of_the_source() {
    let mut driven = Driven::new();
    let actions = driven.step(0, found(Some(3), 5));
    assert!(actions.contains(&Action::AddPartition {
        partition: partition(0),
        leader: broker(3),
        source_epoch: Some(source_epoch(5)),
        leader_epoch: LeaderEpoch::from_wire(16).unwrap(),
        unclean_election: UncleanElection::Fail,
    }));
    assert_eq!(driven.state(), State::LogAlignment);
}

#[test]
fn a_partition_without_a_leader_waits_for_one() {
    let mut driven = Driven::new();
    let actions = driven.step(0, found(None, 0));
    assert!(!actions.iter().any(|action| matches!(action, Action::AddPartition { .. })));
    let actions = driven.step(1, found(Some(1), 1));
    assert!(actions.iter().any(|action| matches!(action, Action::AddPartition { .. })));
}

#[test]
fn metadata_that_says_nothing_new_causes_nothing() {
    let mut driven = Driven::mirroring();
    assert_eq!(driven.step(1, found(Some(1), 0)), vec![]);
}

#[test]
fn a_moved_leader_is_told_to_the_engine_and_old_metadata_is_not() {
    let mut driven = Driven::mirroring();
    let actions = driven.step(1, found(Some(2), 4));
    let moved = Action::SetSourceLeader {
        partition: partition(0),
        leader: broker(2),
        epoch: source_epoch(4),
    };
    assert_eq!(actions, vec![moved]);
    assert_eq!(driven.step(2, found(Some(1), 3)), vec![]);
}

#[test]
fn an_engine_that_lost_the_leader_is_told_even_the_one_it_had() {
    let mut driven = Driven::mirroring();
    let actions = driven.step(1, engine(EngineEvent::LeaderUnknown));
    assert_eq!(actions, vec![Action::RefreshMetadata]);
    assert_eq!(driven.step(2, found(None, 0)), vec![]);
    let actions = driven.step(3, found(Some(1), 0));
    assert!(matches!(actions[..], [Action::SetSourceLeader { .. }]), "{actions:?}");
    assert_eq!(driven.step(4, found(Some(1), 0)), vec![]);
}

#[test]
fn the_epoch_is_raised_before_the_source_reaches_it() {
    let mut driven = Driven::mirroring();
    let actions = driven.step(1, found(Some(1), 9));
    let raised = Action::SetLeaderEpoch {
        partition: partition(0),
        epoch: LeaderEpoch::from_wire(20).unwrap(),
    };
    assert!(actions.contains(&raised), "{actions:?}");
}

#[test]
fn a_source_epoch_above_ours_fences_until_the_bump_is_sent() {
    let mut driven = Driven::mirroring();
    let fenced = EngineEvent::Fenced { batch_epoch: source_epoch(50) };
    let actions = driven.step(1, engine(fenced));
    let states: Vec<State> = actions
        .iter()
        .filter_map(|action| match action {
            Action::StateChanged { to, .. } => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::EpochFencing, State::Mirroring]);
    let raised = Action::SetLeaderEpoch {
        partition: partition(0),
        epoch: LeaderEpoch::from_wire(61).unwrap(),
    };
    assert!(actions.contains(&raised), "{actions:?}");
}

#[test]
fn an_epoch_that_cannot_be_passed_fails_the_partition_for_good() {
    let mut driven = Driven::mirroring();
    driven.step(1, engine(EngineEvent::Fenced { batch_epoch: source_epoch(i32::MAX) }));
    assert_eq!(driven.state(), State::Failed);
    assert_eq!(driven.due_ms(), None);
}

#[test]
fn a_cut_by_the_source_passes_through_recovery() {
    let mut driven = Driven::mirroring();
    let actions = driven.step(1, engine(EngineEvent::Truncated));
    assert_eq!(actions.len(), 2);
    assert_eq!(driven.state(), State::Mirroring);
}

#[test]
fn a_retryable_failure_is_tried_again_when_due_and_not_before() {
    let mut driven = Driven::mirroring();
    driven.step(1_000, failed("disk", RetryClass::Retryable));
    let due_ms = driven.due_ms().unwrap();
    assert!((1_160..=1_240).contains(&due_ms), "{due_ms}");
    assert_eq!(driven.step(due_ms - 1, Input::Tick), vec![]);
    let actions = driven.step(due_ms, Input::Tick);
    assert!(actions.contains(&Action::Resume(partition(0))));
    assert_eq!(driven.state(), State::Mirroring);
    assert_eq!(driven.step(due_ms + 1, Input::Tick), vec![]);
}

#[test]
fn repeated_failures_wait_longer_until_progress_clears_them() {
    let mut driven = Driven::mirroring();
    driven.step(0, failed("disk", RetryClass::Retryable));
    let due_ms = driven.due_ms().unwrap();
    driven.step(due_ms, Input::Tick);
    driven.step(due_ms, failed("disk", RetryClass::Retryable));
    assert!(driven.due_ms().unwrap() - due_ms >= 320);
    let due_ms = driven.due_ms().unwrap();
    driven.step(due_ms, Input::Tick);
    driven.step(due_ms, engine(EngineEvent::Progressed { last_epoch: None }));
    assert!(driven.coordinator.failure(partition(0)).is_none());
}

#[test]
fn a_failure_before_the_log_was_open_goes_back_to_alignment() {
    let mut driven = Driven::new();
    driven.step(0, found(Some(1), 0));
    driven.step(0, failed("cannot open", RetryClass::Retryable));
    let due_ms = driven.due_ms().unwrap();
    driven.step(due_ms, Input::Tick);
    assert_eq!(driven.state(), State::LogAlignment);
}

#[test]
fn a_recreated_topic_stops_its_partitions_for_good() {
    let mut driven = Driven::mirroring();
    let lost = Input::TopicLost {
        topic_id: partition(0).topic_id,
        reason: "recreated under another id".to_owned(),
    };
    let actions = driven.step(1, lost.clone());
    assert!(actions.contains(&Action::Pause(partition(0))));
    assert_eq!(driven.state(), State::Failed);
    assert_eq!(driven.step(1_000_000, Input::Tick), vec![]);
    assert_eq!(driven.step(1_000_001, lost), vec![]);
}

#[test]
fn pausing_ends_when_the_engine_confirms_and_resume_goes_on() {
    let mut driven = Driven::mirroring();
    let actions = driven.step(1, Input::Pause(partition(0)));
    assert!(actions.contains(&Action::Pause(partition(0))));
    assert_eq!(driven.state(), State::Pausing);
    driven.step(2, engine(EngineEvent::Paused));
    assert_eq!(driven.state(), State::Paused);
    let actions = driven.step(3, Input::Resume(partition(0)));
    assert!(actions.contains(&Action::Resume(partition(0))));
    assert_eq!(driven.state(), State::Mirroring);
}

#[test]
fn one_partitions_failure_moves_no_other() {
    let mut driven = Driven::mirroring();
    let other = partition(1);
    let mut actions = Vec::new();
    let event = EngineEvent::Failed { reason: "x".to_owned(), class: RetryClass::Retryable };
    driven.coordinator.step(1, Input::Engine { partition: other, event }, &mut actions);
    assert_eq!(actions, vec![]);
    assert_eq!(driven.state(), State::Mirroring);
}
