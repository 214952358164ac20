use std::time::Duration;

use super::*;

fn sample(mb: u64, cpu_ms: u64) -> Sample {
    let (elapsed, cpu) = (Duration::from_secs(1), Duration::from_millis(cpu_ms));
    Sample { bytes: mb * 1_000_000, elapsed, cpu }
}

/// A round in which the disk takes 3000 MB/s alone and the engine reaches `mb` with this much of
/// its core.
fn round(mb: u64, core_busy: f64) -> Round {
    let run = Run {
        sink: Sink::Disk,
        sample: sample(mb, 500),
        core_busy,
        source_busy: 0.5,
        peak_bytes: 100 << 20,
        waiting_share: 0.0,
    };
    Round {
        receive: sample(4000, 900),
        disk: Some(sample(3000, 400)),
        memory: None,
        crc: sample(30_000, 1000),
        runs: vec![run],
        is_calm: true,
    }
}

#[test]
fn figures_are_medians_and_shares_are_taken_inside_rounds() {
    let rounds = [round(2000, 0.6), round(2850, 0.7), round(2800, 0.65)];
    let report = SinkReport::new(Sink::Disk, &rounds, true);
    let rate = Rate { mb_per_s: 2800.0, mb_per_s_min: 2000.0, mb_per_s_max: 2850.0 };
    assert_eq!(report.rate, rate);
    assert_eq!(report.limiting_stage, Some(Stage::Disk));
    assert_eq!(
        report.sentence,
        "disk: the disk limits: 2800 MB/s of 3000 that it does alone (93 %)"
    );
    let shares = report.stages.iter().map(|each| (each.stage, each.share)).collect::<Vec<_>>();
    let expected = [
        (Stage::Disk, 0.933),
        (Stage::EngineCpu, 0.65),
        (Stage::Source, 0.5),
        (Stage::Receive, 0.7),
    ];
    assert_eq!(shares, expected);
    let per_gb = (report.cpu_seconds_per_gb, report.source_cpu_seconds_per_gb);
    assert_eq!(per_gb, (0.179, 0.179));
}

#[test]
fn a_busy_core_is_told_by_the_time_it_was_busy() {
    let report = SinkReport::new(Sink::Disk, &[round(2000, 0.98)], true);
    assert_eq!(
        report.sentence,
        "disk: the engine's core limits: it was busy 98 % of the time at 2000 MB/s"
    );
    let report = SinkReport::new(Sink::Disk, &[round(2000, 0.45)], false);
    assert_eq!(report.limiting_stage, Some(Stage::CpuSharedWithTheSource));
}

#[test]
fn what_has_room_everywhere_is_said_to() {
    let report = SinkReport::new(Sink::Disk, &[round(2000, 0.8)], true);
    assert_eq!(report.limiting_stage, None);
    assert_eq!(
        report.sentence,
        "disk: 2000 MB/s, and no stage is full, the most used is the engine's core at 80 %"
    );
}

#[test]
fn a_disk_that_was_waited_for_limits_below_its_rate() {
    let mut waited = round(2100, 0.4);
    waited.runs[0].waiting_share = 0.8;
    assert_eq!(
        SinkReport::new(Sink::Disk, &[waited], true).sentence,
        "disk: the disk limits: 2100 MB/s of 3000 that it takes without syncs (70 %), and what \
         was received waited for it"
    );
}

#[test]
fn only_limits_that_were_measured_are_told() {
    let names =
        LimitReport::all(&[round(1, 0.1)]).iter().map(|each| each.limit).collect::<Vec<_>>();
    assert_eq!(names, ["receive", "disk", "crc"]);
}
