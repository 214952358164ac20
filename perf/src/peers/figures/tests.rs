use super::Spread;
use crate::peers::contender::Contender::{Discard, Follower, FollowerTuned, Ringmirror};
use crate::peers::record::{LimitRecord, RunRecord, ScenarioRecord, Sitting};

/// Three contenders in two rounds, the second at half the speed of the first, of 6 GB.
pub(in crate::peers) fn two_rounds() -> ScenarioRecord {
    let run = |round, contender, mb_per_s: f64, cpu_per_gb: f64| RunRecord {
        round,
        contender,
        bytes: 6_000_000_000,
        seconds: 6000.0 / mb_per_s,
        first_byte_seconds: None,
        cpu_seconds: 6.0 * cpu_per_gb,
        source_cpu_seconds: 1.8,
        target_cpu_seconds: None,
        resident_bytes_max: 500 << 20,
        disturbed: round - 1,
        is_calm: round == 1,
    };
    ScenarioRecord {
        name: "8-partitions".to_owned(),
        what: "records".to_owned(),
        sitting: Sitting {
            date: "2026-01-02".to_owned(),
            command: "cargo perf -- peers".to_owned(),
            machine: "two cores".to_owned(),
            versions: "of everything".to_owned(),
        },
        partitions: 8,
        records: 5_800_000,
        bytes: 6_000_000_000,
        value_bytes: 5_900_000_000,
        batches: 24_000,
        memory_bytes_max: None,
        limits: vec![
            LimitRecord {
                round: 1,
                receive_mb_per_s: 8000.0,
                disk_mb_per_s: 4500.0,
                is_disturbed: false,
            },
            LimitRecord {
                round: 2,
                receive_mb_per_s: 2100.0,
                disk_mb_per_s: 4000.0,
                is_disturbed: true,
            },
        ],
        runs: vec![
            run(1, Ringmirror, 4000.0, 0.2),
            run(1, Follower, 800.0, 1.6),
            run(1, Discard, 4200.0, 0.1),
            run(2, Discard, 2200.0, 0.1),
            run(2, Follower, 400.0, 1.2),
            run(2, Ringmirror, 2000.0, 0.3),
        ],
    }
}

#[track_caller]
fn near(seen: f64, wanted: f64) {
    assert!((seen - wanted).abs() < 1e-6, "{seen}, not {wanted}");
}

#[track_caller]
fn spread(seen: Option<Spread>, (min, median, max): (f64, f64, f64)) {
    let seen = seen.unwrap();
    near(seen.min, min);
    near(seen.median, median);
    near(seen.max, max);
}

#[test]
fn ratios_are_taken_inside_rounds() {
    let follower = two_rounds().figures(Follower).unwrap();
    spread(Some(follower.mb_per_s), (400.0, 600.0, 800.0));
    // 4000 / 800 and 2000 / 400, although the medians of both move.
    spread(follower.ringmirror_rate_ratio, (5.0, 5.0, 5.0));
    spread(follower.cpu_ratio, (4.0, 6.0, 8.0));
    near(follower.source_cpu_per_gb, 0.3);
    assert_eq!((follower.rounds, follower.disturbed, follower.disturbed_kept), (2, 1, 1));
    let ours = two_rounds().figures(Ringmirror).unwrap();
    assert_eq!((ours.ringmirror_rate_ratio, ours.cpu_ratio), (None, None));
}

#[test]
fn the_limit_is_the_least_of_receiving_writing_and_throwing_away() {
    let mut scenario = two_rounds();
    // 4000 of 4200, which the source gives; 2000 of 2100, which can be received.
    let (received, written) = (2000.0 / 2100.0, 4000.0 / 4500.0);
    spread(scenario.ratio_to_limit(Ringmirror), (received, received, received));
    // Without it, 4000 of 4500, which can be written.
    scenario.runs.retain(|run| run.contender != Discard);
    let middle = f64::midpoint(written, received);
    spread(scenario.ratio_to_limit(Ringmirror), (written, middle, received));
}

#[test]
fn who_was_not_measured_has_no_figures() {
    assert!(two_rounds().figures(FollowerTuned).is_none());
    assert_eq!(two_rounds().contenders(), [Ringmirror, Follower, Discard]);
    assert_eq!(Spread::of(&[]), Spread { median: 0.0, min: 0.0, max: 0.0 });
    assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
}
