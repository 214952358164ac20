use super::*;

/// Whether a round of a second is calm in which all processors were busy for `busy` hundredths of a
/// second, `own` of them for us.
fn is_calm(busy: u64, own: u64) -> bool {
    let before = BusyClock { at: Instant::now(), machine_ticks: 1_000, own_ticks: 100 };
    let after = BusyClock {
        at: before.at + Duration::from_secs(1),
        machine_ticks: before.machine_ticks + busy,
        own_ticks: before.own_ticks + own,
    };
    after.is_calm_since(&before)
}

#[test]
fn little_beside_a_round_that_waits_for_the_disk_does_not_disturb_it() {
    // As seen beside a probe of the disk while nobody else did anything.
    assert!(is_calm(9, 4));
    assert!(is_calm(13, 7));
    assert!(is_calm(2, 0));
    assert!(is_calm(0, 0));
}

#[test]
fn a_round_that_waits_for_the_disk_is_disturbed_by_who_takes_a_part_of_a_core() {
    assert!(is_calm(14, 4));
    assert!(!is_calm(15, 4));
    assert!(!is_calm(104, 4));
}

#[test]
fn a_busy_round_is_disturbed_by_more_than_its_share() {
    // Both cores, one core, and little more of one than what the share alone decides about.
    for (busy, own) in [(200, 164), (100, 82), (60, 50)] {
        assert!(is_calm(busy, own), "{own} of {busy}");
        assert!(!is_calm(busy, own - 1), "{} of {busy}", own - 1);
    }
}

#[test]
fn time_that_is_counted_twice_disturbs_nobody() {
    assert!(is_calm(100, 103));
}
