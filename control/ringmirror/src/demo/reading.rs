//! A consumer group that moves from the source to the mirror and goes on where it was.

use anyhow::{Context as _, Result, ensure};
use mirror_uring::BrokerAddress;

use super::client::DemoClient;

/// Reads on the source as a member of a group, commits, carries the committed offset over as an
/// operator's tool would, and goes on reading on the mirror. Returns where it went on.
pub(super) async fn move_a_group(
    source: &BrokerAddress,
    mirror: &BrokerAddress,
    partitions: i32,
) -> Result<i64> {
    let mut on_source = DemoClient::connect(source).await.context("the source")?;
    let member = on_source.join(partitions).await.context("on the source")?;
    let batch = on_source.fetch(PARTITION, 0).await.context("on the source")?;
    let read_to = end_offset(&batch)?;
    on_source.commit(Some(&member), PARTITION, read_to).await.context("on the source")?;
    on_source.leave(member).await.context("on the source")?;
    let committed = on_source.committed(PARTITION).await.context("on the source")?;
    ensure!(committed == Some(read_to), "committed {read_to} on the source, found {committed:?}");

    let mut on_mirror = DemoClient::connect(mirror).await.context("the mirror")?;
    on_mirror.commit(None, PARTITION, read_to).await.context("on the mirror")?;
    let member = on_mirror.join(partitions).await.context("on the mirror")?;
    let from = on_mirror.committed(PARTITION).await.context("on the mirror")?;
    let from = from.context("nothing is committed on the mirror")?;
    let next = on_mirror.fetch(PARTITION, from).await.context("on the mirror")?;
    on_mirror.leave(member).await.context("on the mirror")?;
    let expected = on_source.fetch(PARTITION, read_to).await.context("on the source")?;
    ensure!(
        next == expected,
        "offset {from} brings another batch on the mirror than on the source"
    );
    Ok(from)
}

/// One past the last offset of a batch: its base offset and last offset delta tell.
fn end_offset(batch: &[u8]) -> Result<i64> {
    let header = batch.first_chunk().context("a batch begins with its header")?;
    let header = kafka_wire::record_batch::BatchHeader::parse(header, u32::MAX)?;
    Ok(header.next_offset().get())
}

const PARTITION: i32 = 0;
