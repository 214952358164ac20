use super::{Agreement, Comparison, Verdict};
use crate::peers::contender::Contender::{Discard, Follower, Ringmirror, RingmirrorBuffered};
use crate::peers::figures::tests::two_rounds;
use crate::peers::record::{PeersRecord, ScenarioRecord};

fn agreements(seen: &PeersRecord, recorded: &PeersRecord) -> Vec<Agreement> {
    Comparison::of(seen, recorded).agreements
}

fn record(scenarios: Vec<ScenarioRecord>) -> PeersRecord {
    PeersRecord { scenarios }
}

/// The two rounds, with the follower's processor time so many times what it was in each.
fn with_follower_cpu(factors: [f64; 2]) -> PeersRecord {
    let mut scenario = two_rounds();
    for run in scenario.runs.iter_mut().filter(|run| run.contender == Follower) {
        run.cpu_seconds *= if run.round == 1 { factors[0] } else { factors[1] };
    }
    record(vec![scenario])
}

fn follower_cpu(agreements: &[Agreement]) -> &Agreement {
    let what = "Kafka follower: CPU x";
    agreements.iter().find(|each| each.what == what).unwrap()
}

#[test]
fn a_record_agrees_with_itself() {
    let record = record(vec![two_rounds()]);
    let agreements = agreements(&record, &record);
    assert!(!agreements.is_empty());
    assert!(agreements.iter().all(|each| each.verdict == Verdict::Same), "{agreements:?}");
    // The follower is 5 times as slow in both rounds: a number without a range.
    let what = "Kafka follower: ringmirror x";
    assert!(agreements.iter().all(|each| each.what != what), "{agreements:?}");
}

#[test]
fn medians_and_ranges_tell_how_near_two_sittings_are() {
    // The ratio is 8 in the first round and 4 in the second.
    let recorded = with_follower_cpu([1.0, 1.0]);
    let verdict =
        |factors| follower_cpu(&agreements(&with_follower_cpu(factors), &recorded)).verdict;
    // 7 and 5.
    assert_eq!(verdict([0.875, 1.25]), Verdict::Same);
    // 12 and 7: the median is outside.
    assert_eq!(verdict([1.5, 1.75]), Verdict::Overlapping);
    // 7.6 and 7: the median is inside, but that on record is not in the new range.
    assert_eq!(verdict([0.95, 1.75]), Verdict::Overlapping);
    // 16 and 12.
    assert_eq!(verdict([2.0, 3.0]), Verdict::Apart);
}

#[test]
fn only_what_both_have_is_compared() {
    let elsewhere = ScenarioRecord { name: "synthetic".to_owned(), ..two_rounds() };
    let all = record(vec![two_rounds()]);
    assert_eq!(Comparison::of(&record(vec![elsewhere]), &all), Comparison::default());
    let mut alone = two_rounds();
    alone.runs.retain(|run| run.contender == Ringmirror);
    let alone = record(vec![alone]);
    let what = |recorded| {
        let seen = agreements(&alone, recorded);
        seen.into_iter().map(|each| each.what).collect::<Vec<_>>()
    };
    assert_eq!(what(&alone), ["ringmirror: of the machine's limit"]);
    // There the limit is also what the source gives at most.
    assert_eq!(what(&all), Vec::<String>::new());
    let left_out = Comparison::of(&alone, &all).left_out;
    let of_ringmirror = |each: &&String| each.contains("ringmirror: of");
    assert_eq!(
        left_out.iter().filter(of_ringmirror).collect::<Vec<_>>(),
        [
            "8-partitions, ringmirror: of limit: only on record",
            "8-partitions, ringmirror: of the machine's limit: not on record",
        ]
    );
}

#[test]
fn topics_of_other_sizes_are_not_compared() {
    let short = ScenarioRecord { bytes: 1_000_000_000, ..two_rounds() };
    let Comparison { scenarios, agreements, left_out } =
        Comparison::of(&record(vec![short]), &record(vec![two_rounds()]));
    assert_eq!((scenarios, agreements), (vec![], vec![]));
    assert_eq!(left_out, ["8-partitions: 1.00 GB, on record 6.00 GB"]);
}

#[test]
fn no_ratio_is_to_a_scenario_that_is_not_compared() {
    let one = ScenarioRecord { name: "1-partition".to_owned(), ..two_rounds() };
    let short = ScenarioRecord { bytes: 1_000_000_000, ..two_rounds() };
    let seen = record(vec![short, one.clone()]);
    let comparison = Comparison::of(&seen, &record(vec![two_rounds(), one]));
    let scenarios: Vec<_> = comparison.scenarios.iter().map(|each| each.name.as_str()).collect();
    assert_eq!(scenarios, ["1-partition"]);
    let what = "rate over that of 8 partitions";
    assert!(comparison.agreements.iter().all(|each| each.what != what), "{comparison:?}");
    assert!(comparison.left_out.iter().all(|each| !each.contains(what)), "{comparison:?}");
}

#[test]
fn goals_that_no_table_has_are_compared_too() {
    let one = ScenarioRecord { name: "1-partition".to_owned(), ..two_rounds() };
    let mut bulk = two_rounds();
    // The twin, at the fetcher's place.
    for run in bulk.runs.iter_mut().filter(|run| run.contender == Discard) {
        run.contender = RingmirrorBuffered;
    }
    let slow_second = bulk.runs.iter_mut().rfind(|run| run.contender == Ringmirror).unwrap();
    slow_second.seconds *= 2.0;
    let record = record(vec![bulk, one]);
    let agreements = agreements(&record, &record);
    for what in [
        "rate over that of 8 partitions",
        "processor time of the Kafka follower over that of ringmirror, buffered",
    ] {
        assert!(agreements.iter().any(|each| each.what == what), "{what}: {agreements:?}");
    }
}

#[test]
fn the_report_tells_both_sittings_and_counts_what_is_the_same() {
    let recorded = with_follower_cpu([1.0, 1.0]);
    let mut seen = with_follower_cpu([2.0, 3.0]);
    seen.scenarios[0].sitting.machine = "another machine".to_owned();
    let text = Comparison::of(&seen, &recorded).report();
    let sitting = |who: &str, machine: &str| {
        format!(
            "* 8-partitions, {who}: 2026-01-02, {machine}. of everything. `cargo perf -- peers`\n"
        )
    };
    assert!(text.contains(&sitting("seen", "another machine")), "{text}");
    assert!(text.contains(&sitting("on record", "two cores")), "{text}");
    let row = "| 8-partitions | Kafka follower: CPU x | 14.00 (12.00 - 16.00) | \
               6.00 (4.00 - 8.00) | **apart** |\n";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("\n3 of 4 ratios are the same, 0 overlap, 1 are apart.\n"), "{text}");
}
