use super::{ClassicGroupState, GroupEvent};

/// Rows are states, columns events in the order of `ALL`; a dot means that it cannot happen.
const MOVES: &str = "\
Empty               | PreparingRebalance  . . . Dead
PreparingRebalance  | . CompletingRebalance Empty . Dead
CompletingRebalance | PreparingRebalance  . . Stable Dead
Stable              | PreparingRebalance  . . . Dead
Dead                | . . . . Dead
";

#[test]
fn every_state_moves_at_every_event_as_the_golden_table_says() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut table = String::new();
    for state in ClassicGroupState::ALL {
        table.push_str(&format!("{state} |"));
        for event in GroupEvent::ALL {
            table.push(' ');
            table.push_str(state.after(event).map_or(".", ClassicGroupState::name));
        }
        table.push('\n');
    }
    assert_eq!(words(&table), words(MOVES));
}
