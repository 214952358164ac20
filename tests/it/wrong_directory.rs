//! Data directories that cannot be used: refused with the reason, nothing touched.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Ringmirror, Running, TempDir};
use synthetic_source::SyntheticSource;

use crate::mirrored::SOON;
use crate::synthetic;

#[test]
fn a_directory_in_use_is_refused() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let mut first = synthetic::mirror(&source, &mirror).spawn()?;
    first.wait_for_event("started", SOON)?;
    refuses(&source, &mirror, &["in use by another process"])?;
    first.terminate()?.expect_code(0)?;
    synthetic::catch_up(&source, &mirror)?;
    Ok(())
}

#[test]
fn what_is_not_a_data_directory_of_ours_is_refused() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    let file = directory.join("file");
    fs::write(&file, "not a directory")?;
    let name = file.display().to_string();
    refuses(&source, &file, &[&name])?;
    refuses(&source, &file.join("below"), &[&name])?;
    assert_eq!(fs::read_to_string(&file)?, "not a directory");

    let foreign = directory.join("foreign");
    fs::create_dir(&foreign)?;
    fs::write(foreign.join("precious"), "data")?;
    refuses(&source, &foreign, &["not empty and not made by ringmirror", "precious"])?;
    assert_eq!(fs::read_to_string(foreign.join("precious"))?, "data");

    let handed_over = directory.join("handed-over");
    synthetic::catch_up(&source, &handed_over)?;
    fs::create_dir(handed_over.join("__cluster_metadata-0"))?;
    refuses(&source, &handed_over, &["a Kafka broker was started on it"])
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    // Nobody may make anything there, not even root.
    let mirror = Path::new("/proc/mirror");
    refuses(&source, mirror, &["/proc/mirror", "cannot"])
}

#[test]
fn a_directory_of_a_newer_format_is_refused() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let path = mirror.join("ringmirror.json");
    let state = fs::read_to_string(&path)?;
    let newer = state.replace("\"format_version\": 1", "\"format_version\": 7");
    assert_ne!(newer, state);
    fs::write(&path, &newer)?;
    refuses(&source, &mirror, &["ringmirror.json", "format version 7", "up to 3", "newer"])?;
    assert_eq!(fs::read_to_string(&path)?, newer);

    fs::write(&path, "{\"format_version\": 1, \"topics\": 5}")?;
    refuses(&source, &mirror, &["ringmirror.json", "malformed"])?;
    fs::write(&path, &state)?;
    fs::write(mirror.join("meta.properties"), "version=1\n")?;
    refuses(&source, &mirror, &["meta.properties"])
}

#[test]
fn a_full_disk_is_told_and_waited_out() -> Result<()> {
    let source = synthetic::source(2, 24 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    fs::create_dir(&mirror)?;
    if !may_mount(&mirror)? {
        return Ok(());
    }
    let run = synthetic::mirror(&source, &mirror).on_small_disk(&mirror, 96 << 20);
    source.stall();
    let mut running = run.spawn()?;
    running.wait_for_event("started", SOON)?;
    let inside = view(&running, &mirror)?;
    fs::write(inside.join("ballast"), vec![0; 80 << 20])?;
    source.resume();
    let fault = running.wait_for(SOON, |event| event["event"] == "disk_fault")?;
    assert_eq!(fault["full"], true, "{fault}");

    // Room again: goes on by itself.
    fs::remove_file(inside.join("ballast"))?;
    running.wait_for(Duration::from_secs(60), |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == 2
    })?;
    // The file system goes with the process, so compare while it lives.
    synthetic::expect_held(&source, &inside)?;
    let ended = running.terminate()?.expect_code(0)?;
    assert_eq!(ended.events_named("ended")?[0]["outcome"]["clean"], true, "{ended}");
    // The source's history is what it was.
    assert!(ended.events_named("truncated")?.is_empty(), "{ended}");
    Ok(())
}

#[test]
fn a_stop_on_a_full_disk_tells_whether_every_log_was_closed() -> Result<()> {
    let source = synthetic::source(2, 24 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    fs::create_dir(&mirror)?;
    if !may_mount(&mirror)? {
        return Ok(());
    }
    let mut running =
        synthetic::mirror(&source, &mirror).on_small_disk(&mirror, 16 << 20).spawn()?;
    let fault = running.wait_for(SOON, |event| event["event"] == "disk_fault")?;
    assert_eq!(fault["full"], true, "{fault}");
    // It ends in time and by itself; that there is something to be put right is told.
    let ended = running.terminate()?;
    let outcome = &ended.events_named("ended")?[0]["outcome"];
    assert_eq!(outcome["end"], "stopped", "{ended}");
    let closed = outcome["closed"].as_bool().context("closed")?;
    assert_eq!(ended.code(), Some(if closed { 0 } else { 1 }), "{ended}");
    assert!(closed || outcome["clean"] == false, "{ended}");
    Ok(())
}

/// Whether this machine lets us give a process a file system of its own; says so when not.
fn may_mount(at: &Path) -> Result<bool> {
    let probe = Ringmirror::new(&["--version"]).on_small_disk(at, 1 << 20).run()?;
    if probe.code() == Some(0) {
        return Ok(true);
    }
    let line = format!("SKIPPED a test of full disks: no mount here: {}\n", probe.stderr.trim());
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes())?;
    Ok(false)
}

/// The directory as the running mirror sees it.
fn view(running: &Running, mirror: &Path) -> Result<std::path::PathBuf> {
    let relative = mirror.strip_prefix("/").context("an absolute path")?;
    Ok(running.root().join(relative))
}

fn refuses(source: &SyntheticSource, mirror: &Path, words: &[&str]) -> Result<()> {
    let run = synthetic::mirror(source, mirror).until_caught_up().run()?;
    run.expect_refusal(DATA_DIRECTORY, words)?;
    Ok(())
}

const DATA_DIRECTORY: i32 = 4;
