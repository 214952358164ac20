//! Retired segment files become the files of new segments.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use harness::{Ringmirror, TempDir};

use crate::synthetic;

const SEGMENT_BYTES: usize = 32 << 20;
/// Enough for several segments.
const BATCHES: u32 = 2048;

/// A segment is rolled inside a buffer, so what begins it goes through the page cache even when
/// all the rest is written directly.
#[test]
fn a_segment_rolled_while_catching_up_takes_a_retired_file() -> Result<()> {
    let source = synthetic::source_with(1, 1 << 20, |spec| {
        let bytes = SEGMENT_BYTES.to_string();
        spec.topics[0].configs = vec![("segment.bytes".to_owned(), bytes)];
    })?;
    let directory = TempDir::new("reused")?;
    let data_dir = directory.join("mirror");
    synthetic::catch_up(&source, &data_dir)?;
    let partition = data_dir.join(format!("{}-0", synthetic::TOPIC));
    let retired = partition.join("ringmirror-recycled-0");
    fs::write(&retired, vec![0x5a; SEGMENT_BYTES])?;
    let inode = fs::metadata(&retired)?.ino();
    source.append(&source.partitions()[0], BATCHES)?;

    synthetic::catch_up(&source, &data_dir)?;

    let inodes = inodes_of_logs(&partition)?;
    assert!(inodes.len() > 2 && inodes.contains(&inode), "{inode} is not among {inodes:?}");
    Ok(())
}

#[test]
fn a_handover_leaves_no_retired_file() -> Result<()> {
    let source = synthetic::source(2, 1 << 20)?;
    let directory = TempDir::new("reused")?;
    let data_dir = directory.join("mirror");
    synthetic::catch_up(&source, &data_dir)?;
    // As after a kill: nothing is closed, and what was retired is still there.
    fs::remove_file(data_dir.join(".kafka_cleanshutdown"))?;
    let retired = [0, 1].map(|number| {
        data_dir.join(format!("{}-{number}/ringmirror-recycled-{number}", synthetic::TOPIC))
    });
    for path in &retired {
        fs::write(path, b"an older segment")?;
    }
    let data_dir = data_dir.display().to_string();
    let inspected = Ringmirror::new(&["inspect", &data_dir]).run()?.expect_code(0)?;
    assert!(inspected.stdout.contains("ringmirror-recycled-1: 16 bytes"), "{inspected}");
    let handover = Ringmirror::new(&["handover", "--node-id", "1", "--data-dir", &data_dir]);
    handover.run()?.expect_code(0)?;
    assert!(retired.iter().all(|path| !path.exists()), "a retired file is left");
    Ok(())
}

fn inodes_of_logs(partition: &Path) -> Result<Vec<u64>> {
    let mut inodes = Vec::new();
    for entry in fs::read_dir(partition)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            inodes.push(entry.metadata()?.ino());
        }
    }
    Ok(inodes)
}
