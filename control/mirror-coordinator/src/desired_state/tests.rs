use super::DesiredState;

#[test]
fn numbers_and_names_are_those_of_the_proposal() {
    let expected = [(3, "MIRRORING"), (5, "PAUSED"), (7, "STOPPED")];
    assert_eq!(DesiredState::ALL.map(|state| (state.number(), state.name())), expected);
    for state in DesiredState::ALL {
        assert_eq!(DesiredState::from_number(state.number()), Some(state));
    }
    for unknown in [-1, 0, 1, 2, 4, 6, 8, 16, i8::MIN] {
        assert_eq!(DesiredState::from_number(unknown), None, "{unknown}");
    }
}
