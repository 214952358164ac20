//! Kafka's own dump tool over files that ringmirror wrote.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::{KafkaRelease, dump_log_segments};

/// Dumps every file of every partition; the tool must know them all and find nothing wrong.
pub(crate) fn expect_clean_dump(release: KafkaRelease, data_dir: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let partition = entry?.path();
        if !partition.is_dir() {
            continue;
        }
        for file in fs::read_dir(&partition)? {
            let path = file?.path();
            let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if KINDS.contains(&end) {
                files.push(path.display().to_string());
            }
        }
    }
    files.sort();
    for kind in KINDS {
        ensure!(files.iter().any(|file| file.ends_with(kind)), "no .{kind} was written");
    }
    let list = files.join(",");
    let dump = dump_log_segments(release, &["--files", &list])?;
    for file in &files {
        let name = Path::new(file).file_name().and_then(|name| name.to_str());
        ensure!(dump.contains(name.context("a name")?), "{file} was not dumped");
    }
    for line in dump.lines() {
        let lower = line.to_lowercase();
        let wrong = WRONG.iter().any(|word| lower.contains(word));
        ensure!(!wrong, "the dump tool finds: {line}");
    }
    ensure!(dump.contains("isvalid: true"), "no batch was dumped:\n{dump}");
    Ok(())
}

const KINDS: [&str; 5] = ["log", "index", "timeindex", "txnindex", "snapshot"];

/// What the tool says in words when something is wrong; its exit code stays 0.
const WRONG: [&str; 8] = [
    "isvalid: false",
    "mismatch",
    "invalid",
    "non-consecutive",
    "out of order",
    "corrupt",
    "exception",
    "is not found",
];
