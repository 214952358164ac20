//! Sources that come back with less than was mirrored from them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::MirrorNode;
use harness::driver::{Isolation, Produce};

use crate::mirror_lifecycle::{
    Pair, create_with_records, expect_count, expect_equal_files, expect_same_records,
    expect_writable, last_position, mirror,
};
use crate::mirrored::{batches, segment_bytes};

/// X5: the old primary lost its last records, which had been mirrored, and wrote a larger batch in
/// their place and epoch, from below the offset where mirroring ended to above it.
#[test]
fn a_batch_across_the_offset_where_mirroring_ended_goes_whole() -> Result<()> {
    let name = "a_batch_across_the_offset_where_mirroring_ended_goes_whole";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), ORDERS, 3)?;
    let backup = a.beside("backup");
    a.stop()?;
    copy_directory(&a.data_dir(), &backup)?;
    a.start_again()?;
    a.driver().produce(&Produce::new(ORDERS, 0, 3).first(3))?;
    mirror(&a, &b, "from-a", &[ORDERS])?;
    b.stop_topics("from-a", &[ORDERS])?;
    let (last_epoch, end) = last_position(&b, &a, ORDERS)?;
    ensure!(end == 6, "mirroring ended at {end}");
    expect_writable(b.driver(), ORDERS, 2)?;

    a.stop()?;
    fs::remove_dir_all(a.data_dir())?;
    fs::rename(&backup, a.data_dir())?;
    a.start_again()?;
    expect_count(a.driver(), ORDERS, 3)?;
    a.driver().produce(&Produce::new(ORDERS, 0, 10).first(500))?;
    // Only the offset cuts here, as all of it has the epoch that was mirrored last.
    let epochs = a.driver().digest(ORDERS, 0, Isolation::ReadUncommitted)?.epochs;
    ensure!(epochs == [(last_epoch, 0)], "{epochs:?}, and mirroring ended in {last_epoch}");
    expect_batch_across(&a, end)?;

    mirror(&b, &a, "from-b", &[ORDERS])?;
    expect_count(a.driver(), ORDERS, 8)?;
    expect_same_records(a.driver(), b.driver(), ORDERS)?;
    expect_equal_files(&mut a, &mut b, &[(ORDERS, 1)])
}

/// A node's log has a batch with records on both sides of an offset.
fn expect_batch_across(node: &MirrorNode, offset: i64) -> Result<()> {
    let segment = segment_bytes(&node.data_dir().join(format!("{ORDERS}-0")))?;
    let mut spans = Vec::new();
    for batch in batches(&segment)? {
        let base = i64::from_be_bytes(batch.first_chunk().copied().context("a base offset")?);
        let last_delta = batch.get(LAST_DELTA_AT..).and_then(<[u8]>::first_chunk).copied();
        let last_delta = i32::from_be_bytes(last_delta.context("a last offset delta")?);
        spans.push((base, base + i64::from(last_delta)));
    }
    let is_across = spans.iter().any(|(first, last)| *first < offset && offset <= *last);
    ensure!(is_across, "no batch across {offset}: {spans:?}");
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

const ORDERS: &str = "orders";
/// Where a batch tells its last offset.
const LAST_DELTA_AT: usize = 23;
