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
