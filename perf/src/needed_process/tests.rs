use std::process::{Child, Command, Stdio};

use anyhow::anyhow;
use harness::temp_dir::TempDir;

use super::*;

fn shell(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
}

/// A process that runs until its input ends.
fn idle() -> Child {
    shell("read line")
}

fn needed(name: &str, child: &Child) -> NeededProcess {
    NeededProcess::new(name, child.id(), None)
}

/// What is told when a process ends so.
fn told_of(script: &str) -> String {
    let mut child = shell(script);
    let process = needed("the broker", &child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while ensure_all_run(std::slice::from_ref(&process)).is_ok() {
        assert!(Instant::now() < deadline, "{script} runs for ever");
        thread::sleep(END_PAUSE);
    }
    let told = cause(anyhow!("a broken pipe"), &[process]);
    child.wait().unwrap();
    format!("{told:#}").replace(&child.id().to_string(), "ID")
}

#[test]
fn an_error_tells_who_ended_and_how() {
    let told = told_of("exit 3");
    let of_a_broker = "a broken pipe: the broker (process ID) ended";
    assert_eq!(told, format!("{of_a_broker}: exit status 3; what it said stands above"));
    let told = told_of("kill -9 $$");
    assert_eq!(told, format!("{of_a_broker}: killed by signal 9; what it said stands above"));
}

#[test]
fn an_error_while_all_run_stays_as_it_is_and_nobody_is_killed() {
    let mut child = idle();
    let processes = [needed("the broker", &child)];
    let told = cause(anyhow!("refused"), &processes);
    assert_eq!(format!("{told:#}"), "refused");
    ensure_all_run(&processes).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().code().is_some());
}

#[test]
fn the_others_are_killed_when_one_has_ended() {
    let (mut broker, mut follower) = (shell("exit 1"), idle());
    let processes = [needed("the follower", &follower), needed("the broker", &broker)];
    let told = cause(anyhow!("a broken pipe"), &processes);
    assert!(told.to_string().contains("a broken pipe"), "{told:#}");
    assert_eq!(follower.wait().unwrap().code(), None, "it ended by itself");
    assert!(broker.wait().unwrap().code() == Some(1));
    // Told again by somebody further out, it is not told twice.
    let ended = ensure_all_run(&processes).unwrap_err();
    let before = ended.to_string();
    assert_eq!(format!("{:#}", cause(ended, &processes)), before);
}

#[test]
fn the_log_of_who_was_killed_for_it_stays_where_it_is() {
    let root = TempDir::new("needed-process").unwrap();
    let log = root.path().join("follower.out");
    fs::write(&log, "").unwrap();
    let (mut broker, mut follower) = (shell("exit 1"), idle());
    let processes = [
        NeededProcess::new("the follower", follower.id(), Some(&log)),
        needed("the broker", &broker),
    ];
    let told = cause(anyhow!("a broken pipe"), &processes);
    follower.wait().unwrap();
    let told = cause(told, &processes);
    assert!(format!("{told:#}").contains("the broker (process"), "{told:#}");
    assert!(log.exists());
    broker.wait().unwrap();
}

#[test]
fn the_log_of_who_ended_outlives_the_working_directory() {
    let root = TempDir::new("needed-process").unwrap();
    let directory = root.path().join("perf-peers-1");
    fs::create_dir(&directory).unwrap();
    let log = directory.join("source.stock.out");
    fs::write(&log, "started\nno memory\n").unwrap();
    let mut child = shell("exit 1");
    let process = NeededProcess::new("the broker", child.id(), Some(&log));
    let told = cause(anyhow!("a broken pipe"), &[process]);
    fs::remove_dir_all(&directory).unwrap();
    child.wait().unwrap();
    let kept = root.path().join("perf-peers-1-source.stock.out");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "started\nno memory\n");
    let told = format!("{told:#}");
    let place = format!("its log is {}, which ends with:\nstarted\nno memory", kept.display());
    assert!(told.ends_with(&place), "{told}");
}
