use std::time::Duration;

use super::*;
use crate::measurement::Sample;

fn verdict(ratios: &[f64]) -> Verdict {
    RatioOfRounds::new(ratios.to_vec()).verdict
}

#[test]
fn rounds_that_agree_are_a_difference_from_the_fifth_on() {
    assert_eq!(verdict(&[]), Verdict::TooFewRounds);
    assert_eq!(verdict(&[1.1; 4]), Verdict::TooFewRounds);
    assert_eq!(verdict(&[1.1, 1.02, 1.3, 1.01, 1.2]), Verdict::More);
    assert_eq!(verdict(&[0.9, 0.98, 0.7, 0.99, 0.8]), Verdict::Less);
    assert_eq!(verdict(&[1.0; 5]), Verdict::NoDifferenceBeyondTheNoise);
}

#[test]
fn a_round_that_disagrees_is_forgiven_when_there_are_many() {
    let ratios = |rounds: usize| [vec![1.1; rounds - 1], vec![0.5]].concat();
    assert_eq!(verdict(&ratios(5)), Verdict::NoDifferenceBeyondTheNoise);
    assert_eq!(verdict(&ratios(8)), Verdict::NoDifferenceBeyondTheNoise);
    assert_eq!(verdict(&ratios(9)), Verdict::More);
    assert_eq!(verdict(&[ratios(8), vec![0.5]].concat()), Verdict::NoDifferenceBeyondTheNoise);
}

#[test]
fn as_many_rounds_are_left_out_as_the_binomial_distribution_allows() {
    // 2 P(at most k of n coins) <= 1/16, by hand.
    let table = [(4, None), (5, Some(0)), (8, Some(0)), (9, Some(1)), (11, Some(1)), (12, Some(2))];
    for (rounds, out) in table {
        assert_eq!(ends_left_out(rounds), out, "{rounds} rounds");
    }
}

#[test]
fn a_row_divides_b_by_a_inside_rounds() {
    let series = |samples: [(u64, u64); 2]| {
        let mut series = Series::with_tries(1);
        for (bytes, cpu_ms) in samples {
            let (elapsed, cpu) = (Duration::from_secs(1), Duration::from_millis(cpu_ms));
            series.round(|| Ok(Sample { bytes, elapsed, cpu })).unwrap();
        }
        series
    };
    let a = series([(1_000_000_000, 200), (2_000_000_000, 400)]);
    let b = series([(1_100_000_000, 200), (1_800_000_000, 720)]);
    let row = CompareRow::new("8-partitions", &a, &b, [90 << 20, 100 << 20]);
    let figures = [row.rate.min, row.rate.median, row.rate.max, row.cpu.min, row.cpu.max];
    let told = figures.map(|figure| format!("{figure:.3}"));
    assert_eq!(told, ["0.900", "1.000", "1.100", "0.909", "2.000"]);
    assert_eq!((row.a.resident_mib_max, row.b.resident_mib_max), (90, 100));
    assert_eq!(row.rate.verdict, Verdict::TooFewRounds);
    let text = row.text();
    assert!(text.contains("MB/s      B/A 1.000, rounds 0.900 to 1.100: too few"), "{text}");
}
