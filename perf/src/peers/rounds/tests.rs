use super::*;

/// The rounds in which copies are compared byte for byte.
fn proved(warm_up_rounds: u32, rounds: u32) -> Vec<String> {
    let all = Round::all(warm_up_rounds, rounds);
    let proved = all.filter(|round| is_proved(*round, warm_up_rounds, rounds));
    proved.map(|round| round.to_string()).collect()
}

#[test]
fn copies_are_compared_in_the_first_round_and_in_the_last() {
    assert_eq!(proved(2, 5), ["warm-up 1", "round 5"]);
    assert_eq!(proved(1, 1), ["warm-up 1", "round 1"]);
}

#[test]
fn without_warm_ups_the_first_round_that_counts_is_the_first() {
    assert_eq!(proved(0, 5), ["round 1", "round 5"]);
    assert_eq!(proved(0, 1), ["round 1"]);
}
