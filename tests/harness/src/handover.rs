//! Directories of ringmirror's, handed over to stock brokers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ringmirror::Ringmirror;

/// Hands a directory over to a stock broker of a version, told as `4.2`; returns the
/// configuration to start that broker with.
///
/// # Errors
/// When ringmirror refuses.
pub fn hand_over(data_dir: &Path, node_id: i32, told: &str) -> Result<PathBuf> {
    let node_id = node_id.to_string();
    let handover = Ringmirror::new(&["handover", "--node-id", &node_id, "--kafka-version", told])
        .option("--data-dir", &data_dir.display().to_string())
        .run()?
        .expect_code(0)?;
    let properties = data_dir.with_extension("server.properties");
    fs::write(&properties, &handover.stdout)?;
    add_small_settings(&properties)?;
    Ok(properties)
}

/// What a test broker needs on top of what is printed: one replica of everything internal.
fn add_small_settings(properties: &PathBuf) -> Result<()> {
    let mut text = fs::read_to_string(properties)?;
    for line in SMALL {
        let (key, _) = line.split_once('=').context("a setting")?;
        if !text.contains(key) {
            text.push_str(line);
            text.push('\n');
        }
    }
    fs::write(properties, text)?;
    Ok(())
}

const SMALL: [&str; 8] = [
    "offsets.topic.replication.factor=1",
    "offsets.topic.num.partitions=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.num.partitions=1",
    "transaction.state.log.min.isr=1",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
    "group.initial.rebalance.delay.ms=0",
];
