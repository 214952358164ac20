//! Partitions a run gives up: the others go on, and the ending names what is missing.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use harness::ringmirror::program;
use harness::{Ringmirror, TempDir};
use kafka_wire::partition::TopicPartition;
use serde_json::Value;
use synthetic_source::SyntheticSource;

use crate::mirrored::{SOON, segment_bytes};
use crate::synthetic;

#[test]
fn a_partition_we_may_not_read_is_given_up_and_the_others_go_on() -> Result<()> {
    let source = synthetic::source(3, 2 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    for partition in source.partitions() {
        source.append(&partition, 4)?;
    }
    let ordinary = OrdinaryUser::of(&directory)?;
    let locked = mirror.join("orders-1");
    let before = segment_bytes(&locked)?;
    fs::set_permissions(&locked, Permissions::from_mode(0o000))?;
    let output = ordinary.run(&source, &mirror);
    fs::set_permissions(&locked, Permissions::from_mode(0o755))?;
    let output = output?;

    let told = String::from_utf8_lossy(&output.stderr);
    let events: Vec<Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<std::result::Result<_, _>>()?;
    ensure!(output.status.code() == Some(1), "{} {events:?} {told}", output.status);
    let ended = events.last().context("no event")?;
    let failed = ended["outcome"]["failed"].as_array().context("failed parts")?;
    assert_eq!(failed.len(), 1, "{ended}");
    assert_eq!(failed[0]["name"], "orders-1", "{ended}");
    let reason = failed[0]["reason"].as_str().unwrap_or_default();
    for word in ["cannot open the log", "ermission denied", "orders-1/"] {
        assert!(reason.contains(word), "no {word:?} in {ended}");
    }
    let is_failure = |event: &&Value| event["to"] == "FAILED" && event["partition"] == "orders-1";
    let failures: Vec<_> = events.iter().filter(is_failure).collect();
    assert_eq!(failures.len(), 1, "tried again: {failures:?}");
    assert!(failures[0].get("retry_in_ms").is_none(), "{failures:?}");

    // The others have all the source has, this one what it had.
    assert!(segment_bytes(&locked)? == before, "a log nobody may read changed");
    for name in ["orders-0", "orders-2"] {
        expect_whole(&source, &mirror, name)?;
    }
    // With the permission back, it goes on where it was.
    synthetic::catch_up(&source, &mirror)?;
    Ok(())
}

#[test]
fn the_last_words_do_not_claim_what_was_given_up() -> Result<()> {
    let source = synthetic::source(2, 2 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let all_here = in_words(&source, &mirror).until_caught_up().run()?.expect_code(0)?;
    assert!(all_here.stdout.starts_with("caught up: everything the source had"), "{all_here}");

    fs::write(mirror.join("orders-1/partition.metadata"), "version: 0\ntopic_id: nonsense")?;
    let ended = in_words(&source, &mirror).until_caught_up().run()?.expect_code(1)?;
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("ended: all but the partitions named below"), "{ended}");
    let last = lines.last().context("no last line")?;
    assert!(last.starts_with("not mirrored: orders-1: cannot open the log"), "{ended}");
    assert!(!ended.stdout.contains("everything"), "{ended}");
    assert!(!ended.stdout.contains("orders-0"), "{ended}");
    let directory = mirror.join("orders-1");
    let cure = format!("remove the directory {}", directory.display());
    assert!(last.contains(&cure), "{ended}");
    let data_dir = mirror.display().to_string();
    let handover = Ringmirror::new(&["handover", "--node-id", "1", "--data-dir", &data_dir]);
    handover.run()?.expect_refusal(1, &[&cure])?;

    // The cure helps.
    fs::remove_dir_all(&directory)?;
    synthetic::catch_up(&source, &mirror)?;
    Ok(())
}

#[test]
fn a_partition_of_another_topic_is_given_up_with_the_cure() -> Result<()> {
    let source = synthetic::source(2, 2 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let path = mirror.join("orders-1/partition.metadata");
    fs::write(&path, "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw")?;
    let ended = in_words(&source, &mirror).until_caught_up().run()?.expect_code(1)?;
    let cure = format!("remove the directory {}", mirror.join("orders-1").display());
    assert!(ended.stdout.contains(&cure), "{ended}");
    Ok(())
}

#[test]
fn a_file_the_disk_refuses_is_told_with_its_directory() -> Result<()> {
    let source = synthetic::source(1, 2 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let partition = mirror.join("orders-0");
    fs::remove_file(partition.join("leader-epoch-checkpoint"))?;
    fs::create_dir(partition.join("leader-epoch-checkpoint"))?;
    let mut running = synthetic::mirror(&source, &mirror).spawn()?;
    let fault = running.wait_for_event("disk_fault", SOON)?;
    let reason = fault["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Is a directory"), "{fault}");
    assert!(reason.contains(&format!("in {}/", partition.display())), "{fault}");
    running.terminate()?;
    Ok(())
}

#[test]
fn a_stop_names_what_was_given_up_before() -> Result<()> {
    let source = synthetic::source(2, 2 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    fs::write(mirror.join("orders-1/partition.metadata"), "version: 0\ntopic_id: nonsense")?;
    let mut running = synthetic::mirror(&source, &mirror).spawn()?;
    running.wait_for(SOON, |event| {
        event["event"] == "progress"
            && event["partitions_failed"] == 1
            && event["partitions_caught_up"] == 1
    })?;
    let ended = running.terminate()?.expect_code(1)?;
    let outcome = &ended.events_named("ended")?[0]["outcome"];
    assert_eq!(outcome["end"], "stopped", "{ended}");
    assert_eq!(outcome["failed"][0]["name"], "orders-1", "{ended}");
    Ok(())
}

/// A mirror that tells people, not programs.
fn in_words(source: &SyntheticSource, mirror: &Path) -> Ringmirror {
    Ringmirror::new(&["mirror", "--bootstrap-server", &source.bootstrap()])
        .option("--topics", synthetic::TOPIC)
        .option("--data-dir", &mirror.display().to_string())
}

fn expect_whole(source: &SyntheticSource, mirror: &Path, name: &str) -> Result<()> {
    let partition = TopicPartition::parse_directory(name).context("a partition's name")?;
    let theirs = synthetic::source_bytes(source, &partition)?;
    ensure!(segment_bytes(&mirror.join(name))? == theirs, "{name} differs");
    Ok(())
}

/// Somebody whom permissions bind: us, or `nobody` when we are root.
struct OrdinaryUser {
    /// The program where that user may run it.
    program: PathBuf,
    is_nobody: bool,
}

impl OrdinaryUser {
    /// Gives the user all of `directory`, and the program in it.
    fn of(directory: &TempDir) -> Result<Self> {
        let is_nobody = fs::metadata("/proc/self")?.uid() == 0;
        if !is_nobody {
            return Ok(Self { program: program()?.to_owned(), is_nobody });
        }
        // Where tests are built need not be open to others.
        let program = directory.join("ringmirror");
        fs::copy(self::program()?, &program)?;
        let args = [OsStr::new("-R"), OsStr::new(NOBODY), directory.path().as_os_str()];
        let status = Command::new("chown").args(args).status()?;
        ensure!(status.success(), "chown {args:?}: {status}");
        Ok(Self { program, is_nobody })
    }

    /// Mirrors until caught up.
    fn run(&self, source: &SyntheticSource, mirror: &Path) -> Result<Output> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]);
        if self.is_nobody {
            let (reuid, regid) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args(["setpriv", &reuid, &regid, "--clear-groups"]);
        }
        command.arg(&self.program).args(["mirror", "--json", "--until-caught-up", "--topics"]);
        command.args([synthetic::TOPIC, "--bootstrap-server", &source.bootstrap(), "--data-dir"]);
        Ok(command.arg(mirror).current_dir("/").stdin(Stdio::null()).output()?)
    }
}

/// User and group without rights of their own.
const NOBODY: &str = "65534";
