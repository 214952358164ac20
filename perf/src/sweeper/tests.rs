use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use harness::temp_dir::TempDir;

use super::*;

#[test]
fn a_directory_goes_with_the_process_that_was_killed() {
    let root = TempDir::new("sweeper").unwrap();
    let (ours, others) = (root.path().join("perf 1"), root.path().join("perf 2"));
    for directory in [&ours, &others] {
        fs::create_dir_all(directory.join("topic-0")).unwrap();
        fs::write(directory.join("topic-0/0.log"), "records").unwrap();
    }
    // `sleep` stands for a measurement: it has the only other end of the sweeper's input.
    let mut sweeper = Sweeper::start(&ours).unwrap();
    let end = sweeper.shell.stdin.take().unwrap();
    let mut measurement = Command::new("sleep").arg("60").stdout(end).spawn().unwrap();
    assert!(ours.join("topic-0/0.log").exists());
    measurement.kill().unwrap();
    measurement.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while ours.exists() {
        assert!(Instant::now() < deadline, "{} is still there", ours.display());
        thread::sleep(Duration::from_millis(10));
    }
    assert!(others.join("topic-0/0.log").exists());
}

#[test]
fn a_sweeper_ends_with_nothing_to_do_when_the_directory_is_gone() {
    let root = TempDir::new("sweeper").unwrap();
    let ours = root.path().join("perf");
    fs::create_dir(&ours).unwrap();
    let sweeper = Sweeper::start(&ours).unwrap();
    fs::remove_dir(&ours).unwrap();
    let begun = Instant::now();
    drop(sweeper);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
