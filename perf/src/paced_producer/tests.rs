use super::*;

#[test]
fn what_became_due_during_a_stall_goes_out_together_up_to_a_batch() {
    let begin = Instant::now();
    let schedule = Schedule { begin, interval: Duration::from_micros(500), records: 100 };
    let count = |first, micros| schedule.count_due(first, begin + Duration::from_micros(micros));
    assert_eq!(count(10, 4_999), 0);
    assert_eq!(count(10, 5_000), 1);
    assert_eq!(count(10, 6_700), 4);
    assert_eq!(count(10, 40_000), RECORDS_PER_BATCH_MAX);
    assert_eq!(count(97, 1_000_000), 3);
}
