//! What every command owes its user: exit codes, JSON on standard output, words on request.

use anyhow::{Context, Result};
use harness::{Ringmirror, TempDir};

use crate::mirrored::SOON;
use crate::synthetic;

#[test]
fn the_demo_mirrors_and_verifies_what_it_made_up() -> Result<()> {
    let directory = TempDir::new("demo")?;
    let scratch = directory.path().display().to_string();
    let ended = Ringmirror::new(&["demo", "--json", "--bytes", "64MiB", "--partitions", "3"])
        .option("--scratch", &scratch)
        .run()?
        .expect_code(0)?;
    let report = ended.document()?;
    assert_eq!(report["verdict"], "ok", "{ended}");
    assert!(report["bytes"].as_u64() >= Some(64 << 20), "{ended}");
    for number in ["mb_per_s", "cpu_seconds_per_gb", "batches_verified"] {
        assert!(report[number].as_f64() > Some(0.0), "{number} in {ended}");
    }
    assert!(report["limiting_stage"].is_string(), "{ended}");
    let left = std::fs::read_dir(directory.path())?.count();
    assert_eq!(left, 0, "the demo left files behind");
    Ok(())
}

#[test]
fn doctor_names_a_fix_for_everything_it_finds_wrong() -> Result<()> {
    let directory = TempDir::new("doctor")?;
    let ended = Ringmirror::new(&["doctor", "--json", "--data-dir"])
        .arg(&directory.path().display().to_string())
        .run()?;
    let report = ended.document()?;
    let findings = report["findings"].as_array().context("findings")?;
    assert!(findings.len() >= 5, "{ended}");
    for finding in findings {
        let needs_fix = finding["level"] != "ok";
        let has_fix = finding["fix"].as_str().is_some_and(|fix| !fix.is_empty());
        assert!(has_fix || !needs_fix, "{finding}");
    }
    let broken = findings.iter().any(|finding| finding["level"] == "problem");
    assert_eq!(ended.code() == Some(0), !broken, "{ended}");
    Ok(())
}

#[test]
fn inspect_names_what_is_wrong_with_a_file() -> Result<()> {
    let source = synthetic::source(1, 6 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let inspect = || Ringmirror::new(&["inspect", &mirror.display().to_string()]).run();
    let words = inspect()?.expect_code(0)?.stdout;
    assert!(words.contains("orders-0"), "{words}");

    let segment = mirror.join("orders-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&segment)?;
    bytes[70_000] ^= 4;
    std::fs::write(&segment, bytes)?;
    let ended = inspect()?.expect_code(1)?;
    assert!(ended.stdout.contains("crc"), "{ended}");
    Ok(())
}

#[test]
fn a_stop_before_the_end_is_told_by_the_exit_code() -> Result<()> {
    let source = synthetic::source(1, 4 << 20)?;
    source.stall();
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let mut running = synthetic::mirror(&source, &mirror).until_caught_up().spawn()?;
    running.wait_for_event("started", SOON)?;
    let ended = running.terminate()?.expect_code(5)?;
    assert_eq!(ended.events_named("ended")?[0]["outcome"]["end"], "stopped", "{ended}");
    source.resume();
    synthetic::catch_up(&source, &mirror)?;
    Ok(())
}

#[test]
fn commands_refuse_a_directory_that_was_never_mirrored_into() -> Result<()> {
    let directory = TempDir::new("empty")?;
    let path = directory.path().display().to_string();
    let verify = Ringmirror::verify("127.0.0.1:9", directory.path());
    verify.run()?.expect_refusal(4, &[&path, "ringmirror.json"])?;
    let handover = Ringmirror::new(&["handover", "--node-id", "1", "--data-dir", &path]);
    handover.run()?.expect_refusal(4, &[&path, "ringmirror.json"])?;
    assert_eq!(std::fs::read_dir(directory.path())?.count(), 0, "a refusal left files");
    Ok(())
}

#[test]
fn every_command_explains_itself() -> Result<()> {
    let of_mirrors = ["cluster-mirrors", "status", "plan", "failover", "failback"];
    let others = ["bench", "demo", "mirror", "node", "verify", "inspect", "handover", "doctor"];
    for command in of_mirrors.iter().chain(&others) {
        let ended = Ringmirror::new(&[command, "--help"]).run()?.expect_code(0)?;
        assert!(ended.stdout.contains("Examples:"), "{ended}");
        assert!(ended.stdout.contains("--json"), "{ended}");
    }
    let ended = Ringmirror::new(&["--help"]).run()?.expect_code(0)?;
    assert!(ended.stdout.contains("Exit codes:"), "{ended}");
    Ok(())
}

#[test]
fn a_watched_status_does_not_know_what_a_hanging_node_does_not_tell() -> Result<()> {
    // It takes connections and says nothing.
    let hanging = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = hanging.local_addr()?.to_string();
    let status = Ringmirror::new(&["status", "--json", "--watch", "1", "--bootstrap-server"]);
    let mut watching = status.arg(&address).spawn()?;
    let told = watching.wait_for(SOON, |line| line["safe"] == false)?;
    let why = told["error"].as_str().context("a reason")?;
    assert!(why.contains("NOT SAFE") && why.contains("has not answered for"), "{told}");
    watching.terminate()?;
    Ok(())
}
