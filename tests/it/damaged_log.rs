//! Local files that rot: found, repaired or fetched again, and told.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use harness::{Ended, TempDir};
use kafka_wire::partition::TopicName;
use synthetic_source::SyntheticSource;
use synthetic_source::spec::{LogSize, TopicSpec};

use crate::mirrored::{SOON, expect_verified_at};
use crate::synthetic;

#[test]
fn a_flipped_bit_is_cut_off_and_fetched_again() -> Result<()> {
    let mirror = Mirrored::new()?;
    mirror.crash()?;
    let path = mirror.last(".log")?;
    mirror.change(&path, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    })?;
    let ended = mirror.resumes()?;
    expect_told(&ended, &["crc", "fetched again"])
}

#[test]
fn a_killed_mirror_is_compared_up_to_its_last_batch() -> Result<()> {
    let source = synthetic::source_with(3, 14 << 20, |spec| {
        let name = TopicName::parse("empty").expect("a legal name");
        spec.topics.push(TopicSpec::new(name, 1, LogSize::Bytes(0)));
    })?;
    let directory = TempDir::new("mirror")?;
    let data_dir = directory.join("mirror");
    let mut running =
        harness::Ringmirror::mirror(&source.bootstrap(), "orders|empty", &data_dir).spawn()?;
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == 4
    })?;
    running.kill()?;
    let verified = harness::Ringmirror::verify(&source.bootstrap(), &data_dir).run()?;
    let report = verified.expect_code(0)?;
    ensure!(report.stdout.contains("not closed cleanly"), "{report}");
    expect_verified_at(&source.bootstrap(), &data_dir, 4)?;
    let data_dir = data_dir.display().to_string();
    harness::Ringmirror::new(&["inspect", &data_dir]).run()?.expect_code(0)?;
    Ok(())
}

#[test]
fn a_bit_flipped_behind_our_back_is_found_by_verify() -> Result<()> {
    let mirror = Mirrored::new()?;
    // Closed cleanly, so a start does not read it again.
    let path = mirror.first(".log")?;
    mirror.change(&path, |bytes| bytes[1000] ^= 1)?;
    let source = mirror.source.bootstrap();
    let report = harness::Ringmirror::verify(&source, &mirror.data_dir).run()?.expect_code(1)?;
    let document = report.document()?;
    ensure!(document["equal"] == false, "{report}");
    let difference = &document["partitions"][0]["difference"];
    let file = difference["file"].as_str().unwrap_or_default();
    ensure!(file.ends_with("00000000000000000000.log"), "{report}");
    ensure!(report.stdout.contains("the next ringmirror mirror"), "{report}");
    expect_told(&mirror.resumes()?, &["crc", "fetched again"])
}

#[test]
fn a_bit_flipped_behind_our_back_is_refused_by_handover() -> Result<()> {
    let mirror = Mirrored::new()?;
    let path = mirror.first(".log")?;
    mirror.change(&path, |bytes| bytes[1000] ^= 1)?;
    let refused = harness::Ringmirror::new(&["handover", "--node-id", "1", "--data-dir"])
        .arg(&mirror.data_dir.display().to_string())
        .run()?;
    ensure!(refused.code() == Some(1), "{refused}");
    ensure!(refused.stderr.contains("crc"), "{refused}");
    ensure!(!mirror.data_dir.join("bootstrap.checkpoint").exists(), "it wrote what it refused");
    expect_told(&mirror.resumes()?, &["crc", "fetched again"])
}

#[test]
fn a_file_cut_short_is_filled_again() -> Result<()> {
    for crashed in [false, true] {
        let mirror = Mirrored::new()?;
        if crashed {
            mirror.crash()?;
        }
        let path = mirror.last(".log")?;
        mirror.change(&path, |bytes| bytes.truncate(bytes.len() * 2 / 3))?;
        let ended = mirror.resumes()?;
        expect_told(&ended, &["fetched again"])?;
    }
    Ok(())
}

#[test]
fn a_segment_that_is_gone_is_fetched_again() -> Result<()> {
    let mirror = Mirrored::new()?;
    mirror.crash()?;
    fs::remove_file(mirror.last(".log")?)?;
    mirror.resumes()?;
    Ok(())
}

#[test]
fn side_files_full_of_garbage_are_made_anew() -> Result<()> {
    for crashed in [false, true] {
        let mirror = Mirrored::new()?;
        if crashed {
            mirror.crash()?;
        }
        for end in [".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"] {
            let path = mirror.last(end)?;
            fs::write(&path, b"garbage, and not a multiple of anything")?;
        }
        let ended = mirror.resumes()?;
        let told = expect_told(&ended, &["rebuilt"]);
        // After a crash everything is read again anyway.
        ensure!(told.is_ok() || crashed, "{ended}");
        mirror.passes_inspection()?;
    }
    Ok(())
}

#[test]
fn side_files_that_are_gone_are_made_anew() -> Result<()> {
    let mirror = Mirrored::new()?;
    for end in [".index", ".timeindex", ".snapshot", "leader-epoch-checkpoint"] {
        fs::remove_file(mirror.last(end)?)?;
    }
    mirror.resumes()?;
    mirror.passes_inspection()
}

#[test]
fn a_checkpoint_full_of_garbage_is_refused_with_the_cure() -> Result<()> {
    let mirror = Mirrored::new()?;
    let path = mirror.data_dir.join("recovery-point-offset-checkpoint");
    fs::write(&path, "garbage\n")?;
    let refused = synthetic::mirror(&mirror.source, &mirror.data_dir).until_caught_up().run()?;
    refused.expect_refusal(4, &["recovery-point-offset-checkpoint", "delete the file"])?;
    fs::remove_file(&path)?;
    mirror.resumes()?;
    Ok(())
}

/// A mirror of several segments that has all the source has.
struct Mirrored {
    source: SyntheticSource,
    data_dir: PathBuf,
    _directory: TempDir,
}

impl Mirrored {
    fn new() -> Result<Self> {
        let source = synthetic::source(1, 14 << 20)?;
        let directory = TempDir::new("mirror")?;
        let data_dir = directory.join("mirror");
        synthetic::catch_up(&source, &data_dir)?;
        Ok(Self { source, data_dir, _directory: directory })
    }

    /// Leaves it as a crash would: nothing closed, nothing known to be durable.
    fn crash(&self) -> Result<()> {
        fs::remove_file(self.data_dir.join(".kafka_cleanshutdown"))?;
        for name in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
            fs::remove_file(self.data_dir.join(name))?;
        }
        Ok(())
    }

    /// Goes on and ends with all bytes, which `verify` confirms.
    fn resumes(&self) -> Result<Ended> {
        let ended = synthetic::catch_up(&self.source, &self.data_dir)?;
        expect_verified_at(&self.source.bootstrap(), &self.data_dir, 1)?;
        Ok(ended)
    }

    fn passes_inspection(&self) -> Result<()> {
        let data_dir = self.data_dir.display().to_string();
        harness::Ringmirror::new(&["inspect", "--json", &data_dir]).run()?.expect_code(0)?;
        Ok(())
    }

    fn first(&self, end: &str) -> Result<PathBuf> {
        self.files(end)?.into_iter().next().context("no such file")
    }

    fn last(&self, end: &str) -> Result<PathBuf> {
        self.files(end)?.pop().with_context(|| format!("no {end}"))
    }

    fn files(&self, end: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.data_dir.join("orders-0"))? {
            let path = entry?.path();
            if path.display().to_string().ends_with(end) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut bytes = fs::read(path)?;
        change(&mut bytes);
        fs::write(path, bytes)?;
        Ok(())
    }
}

/// Some repair is told in all these words.
fn expect_told(ended: &Ended, words: &[&str]) -> Result<()> {
    let findings = ended.events_named("repaired")?;
    let told = findings.iter().any(|event| {
        let finding = event["finding"].as_str().unwrap_or_default();
        words.iter().all(|word| finding.contains(word))
    });
    ensure!(told, "no repair told with {words:?}: {ended}");
    Ok(())
}
