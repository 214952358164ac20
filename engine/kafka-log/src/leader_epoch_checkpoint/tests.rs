use super::*;
use crate::test_history::{epoch, offset};

fn history(entries: &[(i32, i64)]) -> EpochHistory {
    let mut history = EpochHistory::default();
    for (raw, start) in entries {
        assert!(history.assign(epoch(*raw), offset(*start)));
    }
    history
}

#[test]
fn the_checkpoint_is_version_count_and_one_line_per_epoch() {
    let history = history(&[(7, 1000), (12, 1020)]);
    let text = b"0\n2\n7 1000\n12 1020\n";
    assert_eq!(history.checkpoint(offset(i64::MAX)), text);
    assert_eq!(EpochHistory::parse(text), Ok(history.clone()));
    assert_eq!(history.checkpoint(offset(1020)), b"0\n1\n7 1000\n");
    assert_eq!(EpochHistory::default().checkpoint(offset(5)), b"0\n0\n");
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    use CheckpointError as Error;
    let check = |text: &[u8], error| assert_eq!(EpochHistory::parse(text), Err(error));
    check(b"", Error::Version { found: String::new() });
    check(b"1\n0\n", Error::Version { found: "1".to_owned() });
    check(b"0\n", Error::Count { found: String::new(), max: EPOCH_ENTRIES_MAX });
    check(b"0\nx\n", Error::Count { found: "x".to_owned(), max: EPOCH_ENTRIES_MAX });
    check(b"0\n2\n1 1\n", Error::CountMismatch { counted: 2, found: 1 });
    check(b"0\n1\n1 1\n2 2\n", Error::CountMismatch { counted: 1, found: 2 });
    check(b"0\n1\n1\n", Error::Entry { line: 3 });
    check(b"0\n1\n-1 5\n", Error::Entry { line: 3 });
    check(b"0\n2\n1 5\n1 6\n", Error::NotRising { line: 4 });
    check(b"0\n2\n1 5\n2 5\n", Error::NotRising { line: 4 });
    check(b"\xff", Error::NotText);
}

#[test]
fn an_epoch_ends_where_the_next_one_starts() {
    let history = history(&[(2, 10), (4, 20), (7, 30)]);
    let ends = |raw| {
        let found = history.end_offset_for(epoch(raw), LogEndOffset::new(offset(35)));
        found.map(|found| (found.epoch.get(), found.end.get()))
    };
    assert_eq!(ends(2), Some((2, 20)));
    assert_eq!(ends(3), Some((2, 20)), "an unknown epoch answers with the one below");
    assert_eq!(ends(6), Some((4, 30)));
    assert_eq!(ends(7), Some((7, 35)), "the latest epoch ends where the log ends");
    assert_eq!(ends(8), None, "an epoch above all known ones has no end");
    assert_eq!(ends(1), Some((1, 10)), "an epoch below all known ones ends at the first");
    let nothing = EpochHistory::default();
    assert_eq!(nothing.end_offset_for(epoch(0), LogEndOffset::default()), None);
}

#[test]
fn an_assignment_drops_what_it_contradicts() {
    let assigned = |raw, start| {
        let mut history = history(&[(2, 10), (4, 20), (7, 30)]);
        let changed = history.assign(epoch(raw), offset(start));
        let entries = history.entries().iter();
        (changed, entries.map(|entry| (entry.epoch.get(), entry.start.get())).collect::<Vec<_>>())
    };
    assert_eq!(assigned(7, 33), (false, vec![(2, 10), (4, 20), (7, 30)]));
    assert_eq!(assigned(8, 33), (true, vec![(2, 10), (4, 20), (7, 30), (8, 33)]));
    assert_eq!(assigned(8, 30), (true, vec![(2, 10), (4, 20), (8, 30)]));
    assert_eq!(assigned(3, 25), (true, vec![(2, 10), (3, 25)]));
    assert_eq!(assigned(0, 40), (true, vec![(0, 40)]));
}

#[test]
fn truncation_keeps_the_epoch_that_was_current_at_the_cut() {
    let entries = [(2, 10), (4, 20), (7, 30)];
    let check_end = |end, changed, kept: &[(i32, i64)]| {
        let mut cut = history(&entries);
        assert_eq!(cut.truncate_from_end(offset(end)), changed, "end {end}");
        assert_eq!(cut, history(kept), "end {end}");
    };
    check_end(31, false, &entries);
    check_end(30, true, &entries[..2]);
    check_end(10, true, &[]);
    let check_start = |start, changed, kept: &[(i32, i64)]| {
        let mut cut = history(&entries);
        assert_eq!(cut.truncate_from_start(LogStartOffset::new(offset(start))), changed);
        assert_eq!(cut, history(kept), "start {start}");
    };
    check_start(5, false, &entries);
    check_start(10, false, &entries);
    check_start(15, true, &[(2, 15), (4, 20), (7, 30)]);
    check_start(20, true, &[(4, 20), (7, 30)]);
    check_start(50, true, &[(7, 50)]);
}
