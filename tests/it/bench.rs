//! `ringmirror bench`: every sink runs, what cannot be measured is refused with what to do, and
//! nothing stays behind however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Ringmirror, Running, TempDir};
use rustix::process::{Pid, Signal, kill_process};

use crate::mirrored::SOON;

#[test]
fn every_sink_is_measured_and_nothing_stays_behind() -> Result<()> {
    let place = Place::new()?;
    fs::write(place.disk.join("precious"), "data")?;
    let ended = place.bench("disk,memory,discard").run()?.expect_code(0)?;
    let report = ended.document()?;
    let sinks = report["sinks"].as_array().context("sinks")?;
    let names: Vec<_> = sinks.iter().map(|sink| sink["sink"].as_str()).collect();
    assert_eq!(names, [Some("disk"), Some("memory"), Some("discard")], "{ended}");
    for sink in sinks {
        for number in ["mb_per_s", "mb_per_s_min", "mb_per_s_max"] {
            assert!(sink["rate"][number].as_f64() > Some(0.0), "{number} in {ended}");
        }
        assert!(sink["peak_memory_bytes"].as_u64() > Some(0), "{ended}");
        assert!(sink["sentence"].as_str().is_some_and(|words| !words.is_empty()), "{ended}");
        assert!(sink["stages"].as_array().is_some_and(|stages| stages.len() >= 2), "{ended}");
    }
    let limits = report["limits"].as_array().context("limits")?;
    let names: Vec<_> = limits.iter().map(|limit| limit["limit"].as_str()).collect();
    assert_eq!(names, [Some("receive"), Some("disk"), Some("memory"), Some("crc")], "{ended}");
    assert_eq!(report["conditions"]["rounds"], 2, "{ended}");
    assert!(report["hardware"]["findings"].as_array().is_some_and(|all| all.len() > 4), "{ended}");
    assert!(report["directory"]["file_system"].is_string(), "{ended}");
    place.expect_only(&["precious"])
}

#[test]
fn compressed_batches_are_checked_as_they_come() -> Result<()> {
    for compression in ["lz4", "zstd"] {
        let place = Place::new()?;
        let bench = place.bench("discard").option("--compression", compression);
        let report = bench.run()?.expect_code(0)?.document()?;
        assert_eq!(report["source"]["compression"], compression);
        assert!(report["sinks"][0]["rate"]["mb_per_s"].as_f64() > Some(0.0), "{report}");
        assert!(report["directory"].is_null(), "{report}");
    }
    Ok(())
}

#[test]
fn people_are_told_the_limiting_stage_in_a_sentence() -> Result<()> {
    let place = Place::new()?;
    let words = place.bench_without_json("disk").run()?.expect_code(0)?.stdout;
    for expected in ["LIMIT", "SINK", "PEAK MEMORY", "kernel", "io_uring", "disk: "] {
        assert!(words.contains(expected), "{expected} in {words}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_to_do() -> Result<()> {
    let place = Place::new()?;
    let refused = place.bench("floppy").run()?;
    refused.expect_refusal(2, &["floppy", "disk", "memory", "discard"])?;
    let missing = place.disk.join("missing").display().to_string();
    let refused = Ringmirror::new(&["bench", "--data-dir", &missing]).run()?;
    refused.expect_refusal(4, &[&missing, "--data-dir"])?;
    let unwritable = Ringmirror::new(&["bench", "--data-dir", "/proc"]).run()?;
    unwritable.expect_refusal(4, &["/proc", "--data-dir"])?;

    fs::write(place.disk.join("ringmirror.json"), "{}")?;
    let refused = place.bench("disk").run()?;
    refused.expect_refusal(4, &["ringmirror.json", "--data-dir"])?;
    assert_eq!(fs::read_to_string(place.disk.join("ringmirror.json"))?, "{}");
    place.expect_only(&["ringmirror.json"])?;

    let refused = place.bench("memory").option("--memory-dir", &place.disk()).run()?;
    refused.expect_refusal(4, &["--memory-dir"])?;
    Ok(())
}

#[test]
fn a_disk_without_room_is_refused_before_anything_is_written() -> Result<()> {
    let place = Place::new()?;
    let large = Ringmirror::new(&["bench", "--sink", "disk", "--bytes", "1TiB"]);
    let refused = large.option("--data-dir", &place.disk()).run()?;
    refused.expect_refusal(4, &["free", "needed", "--bytes"])?;
    place.expect_only(&[])?;

    // Less than any measurement takes.
    let small = Ringmirror::new(&["bench", "--sink", "memory", "--memory-dir", &place.disk()]);
    let refused = small.on_small_disk(&place.disk, 32 << 20).run()?;
    refused.expect_refusal(4, &["needed", "--memory-dir"])?;
    Ok(())
}

#[test]
fn an_interruption_ends_the_source_and_leaves_nothing() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new()?;
        let running = place.long_bench()?;
        let source = source_of(&running)?;
        let pid = Pid::from_raw(i32::try_from(running.pid())?).context("a process id")?;
        kill_process(pid, signal)?;
        running.wait(SOON)?.expect_code(5)?;
        wait_until_gone(&source)?;
        place.expect_only(&[])?;
    }
    Ok(())
}

#[test]
fn the_source_cleans_up_after_a_parent_that_was_killed() -> Result<()> {
    let place = Place::new()?;
    let running = place.long_bench()?;
    let source = source_of(&running)?;
    running.kill()?;
    wait_until_gone(&source)?;
    place.expect_only(&[])
}

/// Where a test measures.
struct Place {
    disk: PathBuf,
    _root: TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        let root = TempDir::new("bench")?;
        let disk = root.join("disk");
        fs::create_dir(&disk)?;
        Ok(Self { disk, _root: root })
    }

    fn disk(&self) -> String {
        self.disk.display().to_string()
    }

    /// As short as it gets.
    fn bench_without_json(&self, sinks: &str) -> Ringmirror {
        Ringmirror::new(&["bench", "--rounds", "2", "--seconds", "0.3", "--bytes", "64MiB"])
            .option("--sink", sinks)
            .option("--data-dir", &self.disk())
            .limit(BENCH_LIMIT)
    }

    fn bench(&self, sinks: &str) -> Ringmirror {
        self.bench_without_json(sinks).arg("--json")
    }

    /// One that has begun and would go on for minutes.
    fn long_bench(&self) -> Result<Running> {
        let bench = Ringmirror::new(&["bench", "--rounds", "100", "--bytes", "64MiB"])
            .option("--sink", "disk")
            .option("--data-dir", &self.disk());
        let running = bench.spawn()?;
        let deadline = Instant::now() + SOON;
        // Its directory is there before the source is started.
        while fs::read_dir(&self.disk)?.next().is_none() || source_of(&running).is_err() {
            ensure!(Instant::now() < deadline, "nothing was begun");
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(running)
    }

    fn expect_only(&self, names: &[&str]) -> Result<()> {
        let found = fs::read_dir(&self.disk)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        ensure!(found == names, "{found:?} instead of {names:?}");
        Ok(())
    }
}

/// The `/proc` directory of the source that a measurement started.
fn source_of(running: &Running) -> Result<PathBuf> {
    let pid = running.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let child = children.split_whitespace().next().context("no source is running")?;
    Ok(Path::new("/proc").join(child))
}

/// Waits until a process is gone, or ended and waiting for somebody to notice.
fn wait_until_gone(process: &Path) -> Result<()> {
    let deadline = Instant::now() + SOON;
    while fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        ensure!(Instant::now() < deadline, "{} goes on", process.display());
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}

const BENCH_LIMIT: Duration = Duration::from_secs(120);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
