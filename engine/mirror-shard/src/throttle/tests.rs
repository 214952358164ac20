use super::*;

const SECOND: u64 = 1_000_000;

fn rate(bytes_per_second: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(bytes_per_second)
}

fn throttled(bytes_per_second: u64, now: u64) -> Throttle {
    let mut throttle = Throttle::default();
    throttle.set_rate(rate(bytes_per_second), Tick(now));
    throttle
}

/// Bytes taken in during `seconds` by somebody who takes `piece` whenever it is allowed.
fn taken(throttle: &mut Throttle, from: u64, seconds: u64, piece: u32) -> u64 {
    let (mut now, mut bytes) = (Tick(from), 0);
    while now < Tick(from + seconds * SECOND) {
        if let Some(until) = throttle.blocked_until(now) {
            now = until;
            continue;
        }
        throttle.note(piece, now);
        bytes += u64::from(piece);
        now = Tick(now.0 + 100);
    }
    bytes
}

#[test]
fn without_a_rate_nothing_is_held_back() {
    let mut throttle = Throttle::default();
    throttle.note(u32::MAX, Tick(5));
    assert_eq!(throttle.blocked_until(Tick(5)), None);
    assert_eq!(throttle.response_bytes(77), 77);
}

#[test]
fn over_seconds_the_rate_is_kept_and_used() {
    for (bytes_per_second, piece) in [(1_000, 10), (1_000_000, 65_536), (3_000_000_000, 1 << 20)] {
        let mut throttle = throttled(bytes_per_second, 10 * SECOND);
        let bytes = taken(&mut throttle, 10 * SECOND, 20, piece);
        let most = bytes_per_second * 21 + u64::from(piece);
        assert!(bytes <= most, "{bytes} of {most} at {bytes_per_second} per second");
        assert!(bytes >= bytes_per_second * 19, "{bytes} at {bytes_per_second} per second");
    }
}

#[test]
fn pieces_too_small_for_a_microsecond_are_paid_for() {
    let mut throttle = throttled(3_000_000, 0);
    (0..3_000_000).for_each(|_| throttle.note(1, Tick(0)));
    assert_eq!(throttle.blocked_until(Tick(0)), Some(Tick(SECOND)));
}

#[test]
fn a_batch_larger_than_a_second_has_all_of_it_paid_for() {
    let mut throttle = throttled(1_000, 0);
    throttle.note(60_000, Tick(0));
    assert_eq!(throttle.blocked_until(Tick(59 * SECOND)), Some(Tick(60 * SECOND)));
    assert_eq!(throttle.blocked_until(Tick(60 * SECOND)), None);
}

#[test]
fn another_rate_counts_at_once_for_what_is_owed_already() {
    let mut throttle = throttled(1_000, 0);
    throttle.note(60_000, Tick(0));
    throttle.set_rate(rate(10_000), Tick(0));
    assert_eq!(throttle.blocked_until(Tick(0)), Some(Tick(6 * SECOND)));
    throttle.set_rate(rate(1), Tick(0));
    assert_eq!(throttle.blocked_until(Tick(0)), Some(Tick(6 * SECOND)), "not more than before");
    throttle.set_rate(None, Tick(0));
    assert_eq!(throttle.blocked_until(Tick(0)), None);
    throttle.set_rate(rate(1), Tick(0));
    assert_eq!(throttle.blocked_until(Tick(0)), None, "a new rate begins without debts");
}

#[test]
fn the_largest_rate_holds_nobody_back() {
    let mut throttle = throttled(i64::MAX.unsigned_abs(), 0);
    (0..1_000).for_each(|_| throttle.note(u32::MAX, Tick(0)));
    assert_eq!(throttle.blocked_until(Tick(0)), None);
    assert_eq!(throttle.response_bytes(10 << 20), 10 << 20);
}

#[test]
fn responses_are_a_part_of_what_a_second_brings() {
    assert_eq!(throttled(10_000_000, 0).response_bytes(64 << 20), 1_000_000);
    assert_eq!(throttled(10, 0).response_bytes(64 << 20), THROTTLED_RESPONSE_BYTES_MIN);
    assert_eq!(throttled(10, 0).response_bytes(100), 100);
}
