use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn sample(bytes: u64, millis: u64, cpu_millis: u64) -> Sample {
    let (elapsed, cpu) = (Duration::from_millis(millis), Duration::from_millis(cpu_millis));
    Sample { bytes, elapsed, cpu }
}

#[test]
fn the_median_of_an_even_count_is_between_the_middle_values() {
    assert_eq!(median(vec![4.0, 1.0, 3.0]).to_string(), "3");
    assert_eq!(median(vec![4.0, 1.0, 2.0, 8.0]).to_string(), "3");
    assert_eq!(median(Vec::new()).to_string(), "0");
}

#[test]
fn rates_and_processor_time_are_decimal() {
    let sample = sample(2_000_000_000, 500, 250);
    assert_eq!(sample.mb_per_s().to_string(), "4000");
    assert_eq!(sample.cpu_seconds_per_gb().to_string(), "0.125");
}

#[test]
fn a_row_tells_median_and_extremes() {
    let samples =
        vec![sample(1_000_000, 10, 1), sample(3_000_000, 10, 1), sample(2_000_000, 10, 1)];
    let row = Series { samples, disturbed: 2, disturbed_kept: 1, tries_max: 5 }.row("receive");
    let rates = [row.mb_per_s_min, row.mb_per_s, row.mb_per_s_max];
    assert_eq!(rates.map(|rate| rate.round().to_string()), ["100", "200", "300"]);
    assert_eq!((row.rounds, row.disturbed_rounds, row.disturbed_rounds_kept), (3, 2, 1));
}

#[test]
fn a_round_is_tried_no_more_often_than_allowed() {
    for tries_max in [0, 1, 3] {
        let mut runs = 0;
        let mut series = Series::with_tries(tries_max);
        let run = || {
            runs += 1;
            Ok(sample(1_000_000, 10, 1))
        };
        series.round(run).unwrap();
        assert!((1..=tries_max.max(1)).contains(&runs), "{runs} runs of {tries_max} allowed");
        assert_eq!(series.row("x").disturbed_rounds, runs - 1);
    }
}

#[test]
fn a_disturbed_try_is_repeated_until_one_is_calm() {
    let kept = |tries_max, calm: &[bool]| {
        let mut tries = calm.iter().enumerate();
        let attempt = || Ok(tries.next().map(|(at, is_calm)| (at, *is_calm)).unwrap());
        let CalmRound { value, disturbed, is_calm } =
            CalmRound::until_calm(tries_max, attempt).unwrap();
        (value, disturbed, is_calm)
    };
    assert_eq!(kept(3, &[true]), (0, 0, true));
    assert_eq!(kept(3, &[false, false, true]), (2, 2, true));
    // The last one counts although it is disturbed.
    assert_eq!(kept(3, &[false, false, false]), (2, 2, false));
    assert_eq!(kept(1, &[false]), (0, 0, false));
}

#[test]
fn everybody_comes_once_in_a_round_and_after_each_other_equally_often() {
    let order = |all: &str, number| {
        let letters: Vec<char> = all.chars().collect();
        order_of_round(&letters, number).collect::<String>()
    };
    let orders = |all| (1..=6).map(|number| order(all, number)).collect::<Vec<_>>();
    assert_eq!(orders("ab")[..4], ["ab", "ba", "ab", "ba"]);
    // Every order there is of three.
    assert_eq!(orders("abc"), ["abc", "acb", "cab", "cba", "bca", "bac"]);
    assert_eq!(orders("abcd")[..5], ["abdc", "bcad", "cdba", "dacb", "abdc"]);
    assert_eq!(order("", 1), "");
    for all in ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"] {
        let (rounds, times) = match all.len() % 2 {
            0 => (all.len(), 1),
            _ => (2 * all.len(), 2),
        };
        let mut after = BTreeMap::new();
        for number in 1..=u32::try_from(rounds).unwrap() {
            let order: Vec<char> = order(all, number).chars().collect();
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), all.len(), "{order:?}");
            for pair in order.windows(2) {
                *after.entry((pair[0], pair[1])).or_insert(0) += 1;
            }
        }
        assert_eq!(after.len(), all.len() * (all.len() - 1), "{all}");
        assert!(after.values().all(|count| *count == times), "{all}: {after:?}");
    }
}

#[test]
fn rounds_that_do_not_count_come_first_and_are_called_so() {
    let rounds: Vec<_> = Round::all(1, 2).collect();
    let told: Vec<_> = rounds.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["warm-up 1", "round 1", "round 2"]);
    let tries: Vec<_> = rounds.iter().map(|round| round.tries_max(5)).collect();
    assert_eq!(tries, [1, 5, 5]);
}
