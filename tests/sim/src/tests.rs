use crate::run;

/// Seeds of one test; the tests run side by side.
fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(broken) = run(seed, false) {
            panic!("{}\ncargo sim -- --seed {seed}\n{}", broken.history, broken.reason);
        }
    }
}

#[test]
fn histories_keep_every_promise_first_part() {
    check(0..250);
}

#[test]
fn histories_keep_every_promise_second_part() {
    check(1000..1250);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 5000..5020 {
        assert_eq!(run(seed, false).ok(), run(seed, false).ok());
    }
}
