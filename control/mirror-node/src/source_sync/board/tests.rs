//! What the board remembers of rounds.

use std::time::Duration;

use mirror_coordinator::mirror_name::MirrorName;

use super::{NOTED_CHARS_MAX, NOTED_MAX, Noted, SyncBoard, SyncOutcome};
use crate::source_sync::{SyncError, SyncTask};

const TOOK: Duration = Duration::from_millis(7);

fn name() -> MirrorName {
    MirrorName::parse("from-a").unwrap()
}

fn failed(reason: &str) -> Noted {
    let mut failed = Noted::default();
    failed.note(|| reason.to_owned());
    failed
}

#[test]
fn only_a_round_without_a_failure_counts_as_done() {
    let board = SyncBoard::default();
    let of = |board: &SyncBoard| board.of(&name())[&SyncTask::ConsumerGroups].clone();
    let outcome = SyncOutcome { in_step: 3, failed: failed("no"), ..SyncOutcome::default() };
    board.note(&name(), SyncTask::ConsumerGroups, TOOK, Ok(outcome));
    let report = of(&board);
    assert_eq!((report.succeeded_at, report.error_count, report.in_step), (None, 1, 3));
    assert_eq!(report.last_error.unwrap().1, "no");

    let outcome = SyncOutcome { in_step: 4, written: 2, ..SyncOutcome::default() };
    board.note(&name(), SyncTask::ConsumerGroups, TOOK, Ok(outcome.clone()));
    let report = of(&board);
    assert!(report.succeeded_at.is_some());
    assert_eq!((report.error_count, report.in_step, report.written, report.took), (1, 4, 2, TOOK));
    assert_eq!(report.last_error.unwrap().1, "no", "the last error stays to be read");

    let too_slow = Err(SyncError::TooSlow(Duration::from_secs(9)));
    board.note(&name(), SyncTask::ConsumerGroups, TOOK, too_slow);
    let report = of(&board);
    assert!(report.succeeded_at.is_some());
    assert_eq!((report.error_count, report.written), (2, 2));
    assert_eq!(report.last_error.unwrap().1, "not done within 9 s");

    board.forget(&name());
    assert!(board.of(&name()).is_empty());
}

#[test]
fn an_error_of_many_tells_the_first_two_and_their_number() {
    let board = SyncBoard::default();
    let mut failed = failed("one");
    failed.note(|| "two".to_owned());
    failed.note_first(|| "what to do".to_owned());
    let outcome = SyncOutcome { failed, ..SyncOutcome::default() };
    board.note(&name(), SyncTask::ConsumerGroups, TOOK, Ok(outcome));
    let report = &board.of(&name())[&SyncTask::ConsumerGroups];
    assert_eq!(report.last_error.as_ref().unwrap().1, "what to do; one (and 1 more)");
    assert_eq!(report.error_count, 3);
}

#[test]
fn what_is_noted_is_bounded_and_counted() {
    let mut noted = Noted::default();
    for _ in 0..1_000 {
        noted.note(|| "\u{fc}".repeat(10_000));
    }
    assert_eq!((noted.count, noted.first.len()), (1_000, NOTED_MAX));
    assert_eq!(noted.sentences().last().unwrap(), "and 980 more");
    assert_eq!(failed("one").sentences(), ["one"]);
    assert_eq!(noted.first[0].chars().count(), NOTED_CHARS_MAX + "...".len());
}
