use super::*;
use crate::limits::ShardLimits;

const FIRST: u32 = 1 << 20;

fn limits() -> SourceLimits {
    SourceLimits {
        partition_fetch_bytes: FIRST,
        partition_fetch_bytes_max: 16 * FIRST,
        ..ShardLimits::STANDARD.source()
    }
}

/// One answer: silence, then records of one partition in `reading_us`.
fn answer(size: &mut FetchSize, silence_us: u64, reading_us: u64, records_bytes: u32) -> u32 {
    let (limits, sent) = (limits(), Tick(1_000_000));
    let head = Tick(sent.0 + silence_us);
    size.answer_begins(sent, head);
    size.note_partition(records_bytes, &limits);
    size.answer_ends(&limits, Tick(head.0 + reading_us));
    size.partition_bytes(&limits)
}

#[test]
fn full_answers_over_a_long_link_grow_up_to_the_limit() {
    let mut size = FetchSize::default();
    let mut asked = size.partition_bytes(&limits());
    assert_eq!(asked, FIRST);
    for doubled in [2, 4, 8, 16, 16, 16] {
        asked = answer(&mut size, 80_000, 5_000, asked);
        assert_eq!(asked, doubled * FIRST);
    }
}

#[test]
fn an_answer_that_is_long_beside_the_silence_is_left_alone() {
    let mut size = FetchSize::default();
    assert_eq!(answer(&mut size, 100, 1_500, FIRST), FIRST);
}

#[test]
fn an_answer_that_is_not_full_asks_for_no_more() {
    let mut size = FetchSize::default();
    assert_eq!(answer(&mut size, 80_000, 5_000, FIRST / 2), FIRST);
    // A broker that sends whole batches stays a little below what was asked for.
    assert_eq!(answer(&mut size, 80_000, 5_000, FIRST - 16_000), 2 * FIRST);
}

#[test]
fn a_link_that_became_slow_is_asked_for_less_again() {
    let mut size = FetchSize::default();
    answer(&mut size, 80_000, 5_000, FIRST);
    assert_eq!(answer(&mut size, 10_000, 5_000_000, 2 * FIRST), FIRST);
    assert_eq!(answer(&mut size, 10_000, 5_000_000, FIRST), FIRST);
}

#[test]
fn what_the_host_allows_is_never_exceeded() {
    let small = SourceLimits { partition_fetch_bytes_max: 1_000, ..limits() };
    assert_eq!(FetchSize::default().partition_bytes(&small), 1_000);
    let response = SourceLimits { fetch_bytes_max: 500, ..limits() };
    assert_eq!(FetchSize::default().partition_bytes(&response), 500);
}
