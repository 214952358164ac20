//! The example of a host program: short, and it does what its words say.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use harness::TempDir;
use harness::ringmirror::{cargo_build, profile_dir};
use kafka_wire::partition::TopicName;

use crate::mirrored::segment_bytes;
use crate::source_tree::root;
use crate::synthetic;

#[test]
fn the_example_mirrors_pauses_truncates_and_stops() -> Result<()> {
    cargo_build(&["-p", "mirror-uring", "--example", "embed"])?;
    let source = synthetic::source(2, 8 << 20)?;
    let directory = TempDir::new("embed")?;
    let data_dir = directory.join("data");
    std::fs::create_dir(&data_dir)?;
    let address: SocketAddr = source.bootstrap().parse()?;
    let topic = TopicName::parse(synthetic::TOPIC).context("a legal name")?;
    let topic_id = source.topic_id(&topic).context("the source has the topic")?;

    let output = Command::new("timeout")
        .args(["--kill-after=1", "60"])
        .arg(profile_dir()?.join("examples/embed"))
        .args([&address.ip().to_string(), &address.port().to_string()])
        .arg(&data_dir)
        .args([synthetic::TOPIC, &topic_id.to_string(), "2"])
        .stdin(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    for word in ["Loaded", "Progress", "Paused", "Truncated", "Reloading", "end_place"] {
        assert!(told.contains(word), "it never reports {word}:\n{told}");
    }
    holds_what_it_should(&source, &data_dir)
}

/// Partition 1 was cut and caught up again; partition 0 stopped somewhere on its way.
fn holds_what_it_should(source: &synthetic_source::SyntheticSource, data_dir: &Path) -> Result<()> {
    let partitions = source.partitions();
    let theirs = partitions
        .iter()
        .map(|partition| synthetic::source_bytes(source, partition))
        .collect::<Result<Vec<_>>>()?;
    let paused = segment_bytes(&data_dir.join("orders-0"))?;
    assert!(!paused.is_empty() && theirs[0].starts_with(&paused), "{} bytes", paused.len());
    let cut = segment_bytes(&data_dir.join("orders-1"))?;
    assert!(cut == theirs[1], "{} of {} bytes", cut.len(), theirs[1].len());
    Ok(())
}

#[test]
fn the_example_fits_one_screen() -> Result<()> {
    let path = root().join("engine/mirror-uring/examples/embed.rs");
    let lines = std::fs::read_to_string(path)?.lines().count();
    assert!(lines <= 60, "{lines} lines, a screen has 60");
    Ok(())
}
