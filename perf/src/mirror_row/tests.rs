use std::time::Duration;

use mirror_uring::ShardCounters;

use super::*;

fn sample(mb_per_s: u64, cpu_millis_per_gb: u64) -> Sample {
    let (elapsed, cpu) = (Duration::from_secs(1), cpu_millis_per_gb * mb_per_s);
    Sample { bytes: mb_per_s * 1_000_000, elapsed, cpu: Duration::from_micros(cpu) }
}

fn round(engine: u64, receive: u64, disk: u64) -> Round {
    Round {
        receive_alike: sample(receive / 2, 100),
        receive: sample(receive, 120),
        prebuilt: sample(9000, 90),
        overwrite: sample(disk * 2, 10),
        new_file: sample(disk, 10),
        crc: sample(30_000, 20),
        direct: sample(engine, 180),
        counters: ShardCounters::default(),
        buffered: None,
        reuse_files: false,
    }
}

fn series(rounds: &[Round]) -> Series {
    let mut series = Series::default();
    for each in rounds {
        // Machine noise only decides how often a sample is taken, not which one is kept.
        series.round(|| Ok(each.direct)).unwrap();
    }
    series
}

#[test]
fn ratios_are_taken_inside_a_round_and_medians_of_them_told() {
    // The machine slows down to a third in the last round; the engine's share stays.
    let rounds = [round(2400, 3000, 4000), round(2700, 4500, 3000), round(800, 1000, 4000)];
    let row = MirrorRow::new("x", Variant::Direct, &rounds, &series(&rounds)).unwrap();
    assert_eq!((row.ratio_to_limit * 100.0).round().to_string(), "80");
    assert_eq!((row.mb_per_s_min, row.mb_per_s, row.mb_per_s_max), (800.0, 2400.0, 2700.0));
    assert_eq!(row.limit, "receive");
}

#[test]
fn the_disk_limit_is_that_of_the_files_the_engine_had() {
    let fresh = round(2000, 9000, 4000);
    assert_eq!(fresh.limit().round().to_string(), "4000");
    assert_eq!(Round { reuse_files: true, ..fresh }.limit().round().to_string(), "8000");
}

#[test]
fn the_processor_floor_is_the_cheaper_way_to_receive_and_the_crcs() {
    let rounds = [round(2000, 3000, 4000)];
    let row = MirrorRow::new("x", Variant::Direct, &rounds, &series(&rounds)).unwrap();
    assert_eq!((row.cpu_floor_seconds_per_gb * 1000.0).round().to_string(), "120");
    assert_eq!((row.cpu_ratio_to_floor * 100.0).round().to_string(), "150");
}

#[test]
fn a_twin_that_did_not_run_has_no_row() {
    let rounds = [round(2000, 3000, 4000)];
    assert!(MirrorRow::new("x", Variant::Buffered, &rounds, &Series::default()).is_none());
}
