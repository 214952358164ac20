use mirror_coordinator::partition_state::MirrorPartitionState as State;

use super::{Seen, run};

/// Runs histories; the first that breaks a promise is run again for its lines.
fn check(seeds: std::ops::Range<u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let Ok(of_one) = run(seed, false) else {
            let broken = run(seed, true).expect_err("a history is the same each time");
            let (history, reason) = (broken.history, broken.reason);
            panic!("{history}\ncargo sim -- --clusters --seed {seed}\n{reason}");
        };
        for (state, count) in of_one.states {
            *seen.states.entry(state).or_default() += count;
        }
        for (event, count) in of_one.events {
            *seen.events.entry(event).or_default() += count;
        }
    }
    seen
}

/// The histories went where they should have gone.
fn goes_everywhere(seen: &Seen) {
    for state in State::ALL.into_iter().filter(|state| *state != State::Unknown) {
        assert!(seen.states.contains_key(&state), "no history came to {state}: {seen:?}");
    }
}

#[test]
fn failing_over_and_back_keeps_every_promise_first_part() {
    goes_everywhere(&check(0..500));
}

#[test]
fn failing_over_and_back_keeps_every_promise_second_part() {
    goes_everywhere(&check(500..1_000));
}

#[test]
fn a_history_of_clusters_is_the_same_each_time_it_is_run() {
    for seed in 2_000..2_010 {
        assert_eq!(run(seed, false).ok(), run(seed, false).ok());
    }
}
