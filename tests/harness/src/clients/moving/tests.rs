use super::*;

/// A run that got `offsets` of partition 0 and committed at `committed`.
fn got(offsets: impl Iterator<Item = i64>, committed: i64) -> GroupRun {
    GroupRun {
        consumed: 0,
        committed: Some(BTreeMap::from([(0, committed)])),
        offsets: BTreeMap::from([(0, offsets.collect())]),
    }
}

fn ends(end: i64) -> BTreeMap<i32, i64> {
    BTreeMap::from([(0, end)])
}

#[test]
fn what_was_not_committed_is_read_again_and_nothing_is_skipped() {
    let (first, second) = (got(0..30, 20), got(20..45, 40));
    let moved = got(40..60, 60);
    let counted = count(&[&first, &second], &moved, Some(&ends(60))).unwrap();
    assert_eq!(counted, Counted { records: 60, reread: 5 });
}

#[test]
fn a_group_that_goes_on_beyond_its_commit_has_skipped() {
    for (begin, words) in [(31, "11 records"), (21, "1 records")] {
        let moved = got(begin..60, 60);
        let error = count(&[&got(0..30, 20)], &moved, Some(&ends(60))).unwrap_err();
        let words = format!("{words} of partition 0 were skipped, from Some(20)");
        assert!(format!("{error}").contains(&words), "{error}");
        count(&[&got(0..30, 20)], &moved, None).unwrap_err();
    }
}

#[test]
fn a_group_that_does_not_reach_the_end_has_skipped() {
    let error = count(&[&got(0..30, 20)], &got(20..59, 59), Some(&ends(60))).unwrap_err();
    assert!(format!("{error}").contains("skipped, from Some(59)"), "{error}");
    count(&[&got(0..30, 20)], &got(20..59, 59), None).unwrap();
}

#[test]
fn a_group_that_begins_below_its_commit_reads_needlessly() {
    let error = count(&[&got(0..30, 20)], &got(19..60, 60), Some(&ends(60))).unwrap_err();
    assert!(format!("{error}").contains("1 records of partition 0 were read again below 20"));
}
