use super::{FailureRecord, Jitter, RetryClass, RetryPolicy};
use crate::partition_state::MirrorPartitionState as State;

#[test]
fn pauses_double_up_to_the_longest_with_a_fifth_of_jitter() {
    let policy = RetryPolicy::default();
    let mut jitter = Jitter::new(7);
    for (attempt, middle_ms) in [(1, 200), (2, 400), (5, 3_200)] {
        let delay_ms = policy.delay_ms(attempt, &mut jitter);
        assert!((middle_ms * 8 / 10..=middle_ms * 12 / 10).contains(&delay_ms), "{delay_ms}");
    }
    assert_eq!(policy.delay_ms(63, &mut jitter), 300_000);
    assert_eq!(policy.delay_ms(200, &mut jitter), 300_000);
}

#[test]
fn the_first_failure_counts_one_and_remembers_the_state_before() {
    let first =
        FailureRecord::after(None, State::Mirroring, "a".to_owned(), RetryClass::Retryable, 20);
    assert_eq!((first.previous_state, first.attempt), (State::Mirroring, Some(1)));
    let second =
        FailureRecord::after(Some(first), State::Failed, "b".to_owned(), RetryClass::Retryable, 20);
    assert_eq!((second.previous_state, second.attempt), (State::Mirroring, Some(2)));
}

#[test]
fn a_failure_no_retry_can_cure_stays_so() {
    let fatal =
        FailureRecord::after(None, State::Mirroring, "a".to_owned(), RetryClass::NonRetryable, 20);
    assert_eq!(fatal.attempt, None);
    let later =
        FailureRecord::after(Some(fatal), State::Failed, "b".to_owned(), RetryClass::Retryable, 20);
    assert_eq!(later.attempt, None);
    assert!(!later.may_retry(&RetryPolicy::default()));
}

#[test]
fn attempts_end_and_zero_attempts_means_never() {
    let policy = RetryPolicy { attempts_max: 2, ..RetryPolicy::default() };
    let fail = |earlier| {
        FailureRecord::after(earlier, State::Failed, String::new(), RetryClass::Retryable, 2)
    };
    let first = fail(None);
    assert!(first.may_retry(&policy));
    let second = fail(Some(first));
    assert!(!second.may_retry(&policy));
    let never = RetryPolicy { attempts_max: 0, ..policy };
    assert!(!fail(None).may_retry(&never));
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let numbers = |seed| {
        let mut jitter = Jitter::new(seed);
        (0..8).map(|_| jitter.below(1_000)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(1), numbers(1));
    assert_ne!(numbers(1), numbers(2));
    assert_eq!(Jitter::new(1).below(0), 0);
}
