//! Fills the demonstration's topic through Produce, as any client would.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use mirror_uring::BrokerAddress;

use super::client::DemoClient;

/// How much to produce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// Bytes of batches in all partitions together, at least.
    pub(super) bytes: u64,
    pub(super) partitions: i32,
    pub(super) record_bytes: usize,
}

/// Makes the topic and fills it over as many connections as there are turns to take.
pub(super) async fn fill(address: &BrokerAddress, filling: Filling) -> Result<()> {
    DemoClient::connect(address).await?.create_topic(filling.partitions).await?;
    let batches = batches(filling.record_bytes)?;
    let (even, odd): (Vec<i32>, Vec<i32>) =
        (0..filling.partitions).partition(|index| index % 2 == 0);
    let share = filling.bytes.div_ceil(u64::from(filling.partitions.unsigned_abs()));
    tokio::try_join!(
        fill_partitions(address, &even, share, &batches),
        fill_partitions(address, &odd, share, &batches),
    )?;
    Ok(())
}

async fn fill_partitions(
    address: &BrokerAddress,
    partitions: &[i32],
    bytes: u64,
    batches: &[Bytes],
) -> Result<()> {
    if partitions.is_empty() {
        return Ok(());
    }
    let mut client = DemoClient::connect(address).await?;
    let mut produced = 0;
    for batch in batches.iter().cycle() {
        if produced >= bytes {
            break;
        }
        for some in partitions.chunks(PARTITIONS_AT_ONCE) {
            client.produce(some, batch).await?;
        }
        produced += u64::try_from(batch.len())?;
    }
    Ok(())
}

/// Batches that are produced again and again: plain ones, and one in four compressed.
fn batches(record_bytes: usize) -> Result<Vec<Bytes>> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let now_ms = i64::try_from(now_ms)?;
    let value = |number: usize| {
        let text = format!("record {number} of the demonstration; ");
        Bytes::from(text.into_bytes().repeat(record_bytes / 30 + 1)).slice(..record_bytes)
    };
    let count = (BATCH_BYTES / record_bytes).max(1);
    let batch = |compression| -> Result<Bytes> {
        let records: Vec<Record> =
            (0..).zip(0..count).map(|(at, number)| record(at, now_ms, value(number))).collect();
        let options = RecordEncodeOptions { version: 2, compression };
        let mut bytes = BytesMut::new();
        RecordBatchEncoder::encode(&mut bytes, &records, &options)?;
        Ok(bytes.freeze())
    };
    let plain = batch(Compression::None)?;
    Ok(vec![plain.clone(), plain.clone(), plain, batch(Compression::Lz4)?])
}

fn record(number: i32, timestamp: i64, value: Bytes) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(number),
        // The encoder begins a batch where this leaves the offset; the first one is -1, for none.
        sequence: number - 1,
        timestamp,
        key: Some(Bytes::from(number.to_string())),
        value: Some(value),
        headers: Default::default(),
    }
}

const BATCH_BYTES: usize = 64 << 10;
/// Partitions that get a batch with one request.
const PARTITIONS_AT_ONCE: usize = 16;
