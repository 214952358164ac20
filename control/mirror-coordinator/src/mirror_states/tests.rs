use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::{MirrorStateRecord, UnknownMirrorStateRecord};
use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition};

use super::{MirrorStates, WriteRefusal};
use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::state_epoch::StateEpoch;
use crate::stored_state::{PositionChange, StateWrite};

fn mirror() -> MirrorName {
    MirrorName::parse("m").unwrap()
}

fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_wire([3; 16]).unwrap(),
        partition: PartitionIndex::from_wire(index).unwrap(),
    }
}

fn write(state: State, leader_epoch: i32, state_epoch: i32) -> StateWrite {
    StateWrite {
        mirror: mirror(),
        partition: partition(0),
        state,
        leader_epoch: LeaderEpoch::from_wire(leader_epoch),
        state_epoch: StateEpoch::from_wire(state_epoch),
        error: None,
        retry_attempt: 0,
        previous_state: State::Unknown,
        position: PositionChange::Keep,
    }
}

fn with_position(write: StateWrite, position: PositionChange) -> StateWrite {
    StateWrite { position, ..write }
}

fn apply(states: &mut MirrorStates, write: &StateWrite) -> usize {
    let records = states.plan_write(write).expect("the write is legal");
    for record in &records {
        assert!(states.apply(record), "{record:?}");
    }
    records.len()
}

/// Shown as `STATE leader epoch state epoch`, with the position.
fn shown(states: &MirrorStates) -> Vec<String> {
    let line = |(mirror, partition, state, position): (&MirrorName, TopicIdPartition, _, _)| {
        let state: Option<&crate::stored_state::StoredState> = state;
        let state = state.map_or_else(
            || "-".to_owned(),
            |stored| {
                let leader_epoch = stored.leader_epoch.map_or(-1, LeaderEpoch::get);
                format!("{} {leader_epoch} {}", stored.state, stored.state_epoch)
            },
        );
        format!("{mirror}/{} {state} {position}", partition.partition)
    };
    states.iter().map(line).collect()
}

const AT: fn(i32, i64) -> PositionChange =
    |epoch, offset| PositionChange::Set(MirrorPosition::from_wire(epoch, offset));

#[test]
fn each_state_written_counts_the_state_epoch_up() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 1, 0));
    apply(&mut states, &write(State::Mirroring, 1, 1));
    apply(&mut states, &write(State::Mirroring, 4, 2));
    assert_eq!(shown(&states), ["m/0 MIRRORING 4 3 (epoch -1, offset -1)"]);
}

#[test]
fn a_writer_with_an_old_leader_epoch_is_refused_with_74() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 5, 0));
    let refusal = states.plan_write(&write(State::Mirroring, 4, 1)).unwrap_err();
    let (wrote, stored) = (LeaderEpoch::from_wire(4), LeaderEpoch::from_wire(5));
    let (wrote, stored) = (wrote.unwrap(), stored.unwrap());
    assert_eq!(refusal, WriteRefusal::FencedLeaderEpoch { wrote, stored });
}

#[test]
fn a_writer_with_an_old_state_epoch_is_refused_with_124() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 1, 0));
    let refusal = states.plan_write(&write(State::Mirroring, 1, 0)).unwrap_err();
    let (wrote, stored) = (StateEpoch::ZERO, StateEpoch::from_wire(1).unwrap());
    assert_eq!(refusal, WriteRefusal::FencedStateEpoch { wrote, stored });
}

#[test]
fn the_leader_epoch_is_judged_before_the_state_epoch_and_both_before_the_move() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 5, 0));
    let refusal = |write: &StateWrite| states.plan_write(write).unwrap_err().to_string();
    assert!(refusal(&write(State::Paused, 4, 0)).starts_with("leader epoch 4 is behind 5"));
    assert!(refusal(&write(State::Paused, 5, 0)).starts_with("state epoch 0 is behind 1"));
    assert_eq!(
        refusal(&write(State::Paused, 5, 1)),
        "a partition in LOG_ALIGNMENT does not move to PAUSED"
    );
}

#[test]
fn epochs_of_minus_one_are_not_judged_and_lower_no_fence() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 5, 0));
    apply(&mut states, &write(State::Mirroring, -1, -1));
    assert_eq!(shown(&states), ["m/0 MIRRORING 5 2 (epoch -1, offset -1)"]);
}

#[test]
fn a_write_of_the_unknown_state_writes_the_position_only_and_is_not_fenced() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 5, 0));
    let position = with_position(write(State::Unknown, 0, 0), AT(2, 40));
    assert_eq!(apply(&mut states, &position), 1);
    assert_eq!(shown(&states), ["m/0 LOG_ALIGNMENT 5 1 (epoch 2, offset 40)"]);
}

#[test]
fn a_position_goes_with_the_state_that_clears_it() {
    let mut states = MirrorStates::default();
    let stopping = with_position(write(State::LogAlignment, 1, 0), PositionChange::Clear);
    assert_eq!(apply(&mut states, &stopping), 1, "there is none to delete");
    apply(&mut states, &write(State::Stopping, 1, 1));
    assert_eq!(apply(&mut states, &with_position(write(State::Stopping, 1, 2), AT(0, 7))), 2);
    apply(&mut states, &write(State::Stopped, 1, 3));
    assert_eq!(shown(&states), ["m/0 STOPPED 1 4 (epoch 0, offset 7)"]);
    let aligning = with_position(write(State::LogAlignment, 1, 4), PositionChange::Clear);
    assert_eq!(apply(&mut states, &aligning), 2);
    assert_eq!(shown(&states), ["m/0 LOG_ALIGNMENT 1 5 (epoch -1, offset -1)"]);
}

#[test]
fn what_is_written_anew_says_the_same() {
    let mut states = MirrorStates::default();
    for index in 0..3 {
        let mut begin = write(State::LogAlignment, index, 0);
        begin.partition = partition(index);
        apply(&mut states, &begin);
        let mut failed = with_position(write(State::Failed, index, 1), AT(index, 9));
        failed.partition = partition(index);
        failed.error = Some("why".to_owned());
        failed.retry_attempt = -1;
        failed.previous_state = State::LogAlignment;
        apply(&mut states, &failed);
    }
    let mut again = MirrorStates::default();
    for record in states.snapshot() {
        let encoded = record.encode().unwrap();
        let value = encoded.value.as_deref();
        assert!(again.apply(&MirrorStateRecord::decode(&encoded.key, value).unwrap()));
    }
    assert_eq!(again, states);
    assert_eq!(shown(&states).len(), 3);
}

#[test]
fn the_tombstones_of_a_mirror_delete_all_of_it_states_first() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 1, 0));
    apply(&mut states, &with_position(write(State::Unknown, -1, -1), AT(1, 1)));
    let tombstones = states.tombstones(&mirror());
    assert!(matches!(
        tombstones[..],
        [MirrorStateRecord::PartitionState(_, None), MirrorStateRecord::LastMirrorEpochs(_, None)]
    ));
    for tombstone in &tombstones {
        assert!(states.apply(tombstone));
    }
    assert_eq!(states, MirrorStates::default());
    assert!(states.tombstones(&mirror()).is_empty());
}

#[test]
fn records_of_other_kinds_and_of_names_that_are_none_change_nothing() {
    let mut states = MirrorStates::default();
    let unknown = UnknownMirrorStateRecord { kind: 9, key: vec![1], value: None };
    assert!(!states.apply(&MirrorStateRecord::Unknown(unknown)));
    let mut foreign = MirrorStates::default();
    apply(&mut foreign, &write(State::LogAlignment, 1, 0));
    let mut record = foreign.snapshot().remove(0);
    if let MirrorStateRecord::PartitionState(key, _) = &mut record {
        key.mirror_name = "no/name".to_owned();
    }
    assert!(!states.apply(&record));
    assert_eq!(states, MirrorStates::default());
}

#[test]
fn the_last_state_epoch_refuses_another_write() {
    let mut states = MirrorStates::default();
    apply(&mut states, &write(State::LogAlignment, 1, 0));
    let mut record = states.snapshot().remove(0);
    if let MirrorStateRecord::PartitionState(_, Some(value)) = &mut record {
        value.state_epoch = i32::MAX;
    }
    assert!(states.apply(&record));
    let stored = StateEpoch::from_wire(i32::MAX).unwrap();
    let refusal = states.plan_write(&write(State::Mirroring, 1, -1)).unwrap_err();
    assert_eq!(refusal, WriteRefusal::StateEpochsExhausted { stored });
}
