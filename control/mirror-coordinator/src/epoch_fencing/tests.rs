use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};

use super::{needs_bump, raised};

fn ours(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).unwrap()
}

fn source(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).unwrap()
}

#[test]
fn the_epoch_is_raised_when_the_source_is_within_three() {
    assert!(!needs_bump(source(8), ours(11)));
    assert!(needs_bump(source(9), ours(11)));
    assert!(needs_bump(source(12), ours(11)));
    assert!(needs_bump(source(0), ours(0)));
}

#[test]
fn a_raised_epoch_leaves_room_for_ten_elections_and_never_falls() {
    assert_eq!(raised(source(0), ours(0)), Some(ours(11)));
    assert_eq!(raised(source(9), ours(11)), Some(ours(20)));
    assert_eq!(raised(source(2), ours(40)), Some(ours(41)));
}

#[test]
fn the_largest_epochs_cannot_be_raised() {
    assert_eq!(raised(source(i32::MAX), ours(0)), None);
    assert_eq!(raised(source(i32::MAX - 10), ours(0)), None);
    assert_eq!(raised(source(0), ours(i32::MAX)), None);
}
