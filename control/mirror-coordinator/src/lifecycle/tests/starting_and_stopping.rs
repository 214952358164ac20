//! From the first word of a partition to a writable log.

use super::rig::{Rig, stored};
use crate::desired_state::DesiredState;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;

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
