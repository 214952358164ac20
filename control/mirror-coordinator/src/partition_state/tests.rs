use super::MirrorPartitionState;

/// Rows are states before, columns states after, both in the order of `ALL`; `x` is legal.
const LEGAL_MOVES: &str = "\
UNKNOWN       xx.......x
LOG_ALIGNMENT .x..x..x.x
EPOCH_FENCING ..x.x..x.x
ULE_RECOVERY  ...xx..x.x
MIRRORING     ..xxxx.x.x
PAUSING       .....xxx.x
PAUSED        ....x.xx.x
STOPPING      .......xxx
STOPPED       .x......xx
FAILED        .xxxxxxxxx
";

#[test]
fn every_pair_of_states_moves_as_the_golden_table_says() {
    let mut table = String::new();
    for from in MirrorPartitionState::ALL {
        table.push_str(&format!("{:<14}", from.name()));
        for target in MirrorPartitionState::ALL {
            table.push(if from.may_move_to(target) { 'x' } else { '.' });
        }
        table.push('\n');
    }
    assert_eq!(table, LEGAL_MOVES);
}

#[test]
fn a_stopped_partition_never_goes_straight_back_to_mirroring() {
    assert!(!MirrorPartitionState::Stopped.may_move_to(MirrorPartitionState::Mirroring));
}

#[test]
fn states_have_the_numbers_of_the_protocol_and_other_numbers_are_unknown() {
    let numbers: Vec<i8> = MirrorPartitionState::ALL.into_iter().map(|s| s.number()).collect();
    assert_eq!(numbers, [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for state in MirrorPartitionState::ALL {
        assert_eq!(MirrorPartitionState::from_number(state.number()), state);
    }
    for number in [i8::MIN, -2, 9, 16, i8::MAX] {
        let state = MirrorPartitionState::from_number(number);
        assert_eq!(state, MirrorPartitionState::Unknown, "{number}");
    }
}
