//! What a mirrored directory must be, for the tests that mirror.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Ended, KafkaCluster, Ringmirror};

/// Long enough for an event that should come within seconds on a machine that has nothing else to
/// do.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Mirrors until all the source has is there, and nothing failed.
pub(crate) fn catch_up(source: &KafkaCluster, topics: &str, data_dir: &Path) -> Result<Ended> {
    let mirror = Ringmirror::mirror(&source.bootstrap_servers(), topics, data_dir);
    mirror.until_caught_up().run()?.expect_code(0)
}

/// Has `ringmirror verify` prove equality of `partitions` partitions.
pub(crate) fn expect_verified(
    source: &KafkaCluster,
    data_dir: &Path,
    partitions: usize,
) -> Result<()> {
    expect_verified_at(&source.bootstrap_servers(), data_dir, partitions)
}

/// As [`expect_verified`] against any source.
pub(crate) fn expect_verified_at(
    bootstrap: &str,
    data_dir: &Path,
    partitions: usize,
) -> Result<()> {
    let ended = Ringmirror::verify(bootstrap, data_dir).run()?.expect_code(0)?;
    let report = ended.document()?;
    ensure!(report["equal"] == true, "not equal: {ended}");
    let compared = report["partitions"].as_array().map_or(0, Vec::len);
    ensure!(compared == partitions, "{compared} of {partitions} partitions compared: {ended}");
    Ok(())
}

/// Compares the files of a partition that both sides must have alike: segments and transaction
/// indexes, leader epochs and the topic id.
pub(crate) fn expect_same_files(source: &Path, mirror: &Path, partition: &str) -> Result<()> {
    let theirs = files_of(&source.join(partition))?;
    let ours = files_of(&mirror.join(partition))?;
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    ensure!(names(&theirs) == names(&ours), "{:?} became {:?}", names(&theirs), names(&ours));
    for (name, contents) in &theirs {
        let same = ours[name] == *contents;
        let lengths = (contents.len(), ours[name].len());
        ensure!(same, "{partition}/{name} differs; bytes at source and mirror: {lengths:?}");
    }
    Ok(())
}

/// Compares all bytes of a partition's segments, however they are divided.
pub(crate) fn expect_same_bytes(source: &Path, mirror: &Path, partition: &str) -> Result<()> {
    let theirs = segment_bytes(&source.join(partition))?;
    let ours = segment_bytes(&mirror.join(partition))?;
    let first = theirs.iter().zip(&ours).position(|(theirs, ours)| theirs != ours);
    let lengths = (theirs.len(), ours.len());
    let same = lengths.0 == lengths.1 && first.is_none();
    ensure!(same, "{partition} differs at {first:?}; bytes at source and mirror: {lengths:?}");
    Ok(())
}

/// All segments of a partition, one behind the other.
pub(crate) fn segment_bytes(partition: &Path) -> Result<Vec<u8>> {
    Ok(segments(partition)?.concat())
}

/// The segments of a partition in order.
pub(crate) fn segments(partition: &Path) -> Result<Vec<Vec<u8>>> {
    let files = files_of(partition)?.into_iter();
    let segments = files.filter(|(name, _)| name.ends_with(".log"));
    Ok(segments.map(|(_, contents)| contents).collect())
}

/// The batches in bytes of a segment, up to reserved space.
pub(crate) fn batches(mut segment: &[u8]) -> Result<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some(head) = segment.get(..LENGTH_END) {
        let length = usize::try_from(i32::from_be_bytes(head[LENGTH_AT..].try_into()?))?;
        if length == 0 {
            break;
        }
        let (batch, rest) =
            segment.split_at_checked(LENGTH_END + length).context("a batch is cut off")?;
        found.push(batch);
        segment = rest;
    }
    Ok(found)
}

/// Where a batch tells the length of what follows.
const LENGTH_AT: usize = 8;
const LENGTH_END: usize = 12;

fn files_of(partition: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let entries =
        fs::read_dir(partition).with_context(|| format!("list {}", partition.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let compared = [".log", ".txnindex", "-checkpoint", ".metadata"];
        if compared.iter().any(|end| name.ends_with(end)) {
            let contents = fs::read(entry.path())?;
            // Kafka makes an index of transactions only once it has an entry.
            if !(name.ends_with(".txnindex") && contents.is_empty()) {
                files.insert(name, contents);
            }
        }
    }
    let has_batches =
        files.iter().any(|(name, contents)| name.ends_with(".log") && !contents.is_empty());
    if !has_batches {
        // A leader notes its epoch before its first batch; a follower learns it from that batch.
        files.remove("leader-epoch-checkpoint");
    }
    Ok(files)
}
