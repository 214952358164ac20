//! From the first word of a partition to a writable log.

use kafka_wire::epoch::SourceLeaderEpoch;

use super::rig::{Rig, broker, epoch, mirror, partition, stored};
use crate::desired_state::DesiredState;
use crate::lifecycle::{Action, EngineEvent, Input, Lifecycle, UncleanElection};
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::RetryPolicy;

#[test]
fn a_new_partition_is_aligned_and_mirrored_each_state_written_first() {
    let mut rig = Rig::new();
    assert_eq!(rig.want(DesiredState::Mirroring), "close; write LOG_ALIGNMENT no position");
    assert_eq!(rig.source(1, 2), "");
    assert_eq!(
        rig.run(),
        "\
UNKNOWN -> LOG_ALIGNMENT; close; align
await same
write MIRRORING
LOG_ALIGNMENT -> MIRRORING; add from 1 at 3; raise above 12
our epoch 13"
    );
    assert_eq!(rig.state(), State::Mirroring);
}

#[test]
fn a_stop_takes_its_steps_in_order() {
    let mut rig = Rig::mirroring();
    assert_eq!(rig.want(DesiredState::Stopped), "write STOPPING");
    assert_eq!(
        rig.run(),
        "\
MIRRORING -> STOPPING; remove
await all
write STOPPING position (epoch 2, offset 40)
raise above 2
seal at 14
write STOPPED
STOPPING -> STOPPED; open at 14"
    );
    assert_eq!(rig.state(), State::Stopped);
    assert_eq!(rig.lifecycle.position(rig.partition), MirrorPosition::from_wire(2, 40));
}

#[test]
fn a_stopped_partition_starts_again_by_alignment_and_without_its_position() {
    let stored = stored(State::Stopped, State::Unknown, 0);
    let mut rig = Rig::restored(stored, MirrorPosition::from_wire(2, 40));
    assert_eq!(rig.want(DesiredState::Stopped), "open at 3");
    rig.run();
    // Clients stop writing before the record says so.
    assert_eq!(rig.want(DesiredState::Mirroring), "close; write LOG_ALIGNMENT no position");
    assert_eq!(rig.answer(), "STOPPED -> LOG_ALIGNMENT; close; align");
    assert!(rig.lifecycle.position(rig.partition).is_empty());
}

#[test]
fn mirroring_asserted_again_in_the_same_epoch_writes_nothing() {
    let stored = stored(State::Mirroring, State::Unknown, 0);
    let mut rig = Rig::restored(stored, MirrorPosition::EMPTY);
    assert_eq!(rig.want(DesiredState::Mirroring), "refresh");
    assert_eq!(rig.source(1, 0), "add from 1 at 3");
}

#[test]
fn fifty_thousand_partitions_found_in_mirroring_are_added_without_a_write() {
    let mut lifecycle = Lifecycle::new(RetryPolicy::default(), 1);
    let mut actions = Vec::new();
    let leader_epoch = epoch(3);
    for index in 0..50_000 {
        let (partition, mirror) = (partition(index), mirror("m"));
        let stored = stored(State::Mirroring, State::Unknown, 0);
        let position = MirrorPosition::EMPTY;
        let told = [
            Input::Restored { partition, mirror: mirror.clone(), stored, position, leader_epoch },
            Input::Desired { partition, mirror, desired: DesiredState::Mirroring, leader_epoch },
            Input::SourcePartition {
                partition,
                leader: Some(broker(1)),
                epoch: None,
                unclean_election: UncleanElection::Fail,
            },
        ];
        for input in told {
            lifecycle.step(0, input, &mut actions);
        }
    }
    lifecycle.step(0, Input::Tick, &mut actions);
    let added = |action: &&Action| matches!(action, Action::AddPartition { .. });
    assert_eq!(actions.iter().filter(added).count(), 50_000);
    assert!(!actions.iter().any(|action| matches!(action, Action::Persist { .. })));
    assert_eq!(lifecycle.partitions_of(&mirror("m")).count(), 50_000);
}

#[test]
fn a_look_that_finds_nothing_new_is_known_unless_somebody_waits_for_it() {
    let mut rig = Rig::mirroring();
    let knows = |rig: &Rig, leader, at| {
        let at = SourceLeaderEpoch::from_wire(at);
        let fail = UncleanElection::Fail;
        rig.lifecycle.knows_source(rig.partition, Some(broker(leader)), at, fail)
    };
    assert!(knows(&rig, 1, 2));
    assert!(!knows(&rig, 2, 2) && !knows(&rig, 1, 3));
    assert_eq!(rig.source(1, 2), "", "it changes nothing");
    rig.engine(EngineEvent::LeaderUnknown);
    assert!(!knows(&rig, 1, 2), "the engine waits to be told it again");
}
