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

/// Seeds that once broke a promise, and what they showed.
#[test]
fn histories_that_once_broke_keep_their_promises() {
    for (seed, shown) in [
        (5, "a disk fault put the log start back"),
        (8, "a broker without a connection never got one"),
        (27, "a stopping shard asked to be stepped at once, forever"),
        (33, "a source that came back with another history was not asked about epochs"),
        (41, "a question whose answer was damaged was never asked again"),
        (129, "a pause without an open log reported bytes as durable"),
        (177, "the epoch of an emptied log was not in its checkpoint"),
        (591, "a truncation that the disk refused was tried again as a plain load"),
        (11118, "a log start told while records were not wanted was never followed"),
        (20846, "an emptied chunk before one still received into was never given back"),
        (30948, "a stop turned a deletion into a mere close"),
        (42014, "an empty log skipped the first records of a rewritten history"),
        (50766, "a log start told while the log was being loaded was never followed"),
        (600, "a partition fetched before its log was loaded again"),
        (16741093251064087454, "a log given up counted as closed: a segment ended early"),
        (9934515694329558811, "a log given up counted as closed: its tail was torn"),
        (7100000000000018116, "a stop during the pause after a disk fault was to be clean"),
        (8200000000000004253, "a cut ordered during a load was forgotten when the load ended"),
    ] {
        if let Err(broken) = run(seed, false) {
            panic!("{}\n{shown}, seed {seed}\n{}", broken.history, broken.reason);
        }
    }
}
