//! A topic at the source with records to copy: prebuilt batches, sent as a producer sends them.
//!
//! The batches are as Kafka's own producer makes them; the broker checks them, gives them offsets
//! and keeps them as they are. A few hundred different ones are sent in turn.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::Decodable as _;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::kafka_client::{KafkaClient, LogEdge, connect, name, read_response, request_frame};
use crate::peers::CopyPlan;
use crate::peers::record_values::RecordValues;
use crate::source_child::{SourceDescription, TOPIC};

/// What the records of a topic are.
#[derive(Clone, Copy, Debug)]
pub struct TopicContent {
    /// Partitions.
    pub partitions: u32,
    /// Bytes of each record's value, before compression.
    pub value_bytes: usize,
    /// Records of each batch.
    pub batch_records: usize,
    /// How batches are compressed.
    pub codec: Compression,
}

/// A topic that is ready to be copied.
#[derive(Clone, Debug)]
pub struct ProducedTopic {
    /// Its name.
    pub name: String,
    /// Offset behind the last record of each partition.
    pub end_offsets: Vec<i64>,
    /// Records of all partitions.
    pub records: u64,
    /// Bytes of the records' values, before compression.
    pub value_bytes: u64,
    /// Bytes of all batches.
    pub bytes: u64,
    /// How many batches.
    pub batches: u64,
}

impl ProducedTopic {
    /// What a synthetic source has instead, with batches and records of so many bytes.
    #[must_use]
    pub fn synthetic(source: &SourceDescription, batch_bytes: u32, record_bytes: u32) -> Self {
        let ends = source.partitions.iter().map(|log| log.end_offset);
        let records = ends.clone().sum::<i64>().unsigned_abs();
        Self {
            name: TOPIC.to_owned(),
            end_offsets: ends.collect(),
            records,
            value_bytes: records * u64::from(record_bytes),
            bytes: source.bytes(),
            batches: source.bytes() / u64::from(batch_bytes),
        }
    }

    /// Copying it from `source` into `directory`, however much a contender asks for; `spent` takes
    /// the files afterwards.
    ///
    /// # Errors
    /// When it has more partitions than anybody counts.
    pub fn copy_plan<'a>(
        &'a self,
        source: SocketAddr,
        directory: &'a Path,
        spent: &'a Path,
    ) -> Result<CopyPlan<'a>> {
        Ok(CopyPlan {
            source,
            topic: &self.name,
            partitions: u32::try_from(self.end_offsets.len())?,
            records: self.records,
            end_offsets: &self.end_offsets,
            bytes: self.bytes,
            response_bytes_max: None,
            directory,
            spent,
            needed: &[],
            compare_with: None,
        })
    }
}

/// One prebuilt batch.
#[derive(Clone, Debug)]
struct Batch {
    bytes: Bytes,
    records: i64,
}

/// Fills an empty topic with about `bytes` bytes of batches, every partition alike.
///
/// # Errors
/// When the broker refuses, or has another number of records in the end.
pub fn produce(
    source: SocketAddr,
    topic: &str,
    content: &TopicContent,
    bytes: u64,
) -> Result<ProducedTopic> {
    let cycle = build_cycle(content)?;
    let partitions: Vec<i32> = (0..i32::try_from(content.partitions)?).collect();
    let mean = cycle.iter().map(|batch| batch.bytes.len()).sum::<usize>() / cycle.len();
    let each = bytes / u64::from(content.partitions) / u64::try_from(mean)?;
    let each = usize::try_from(each.max(1))?;
    let half = partitions.len().div_ceil(CONNECTIONS);
    let cycle = &cycle;
    thread::scope(|scope| -> Result<()> {
        let send =
            |mine| scope.spawn(move || Connection::open(source, topic)?.send(mine, cycle, each));
        let senders: Vec<_> = partitions.chunks(half).map(send).collect();
        let join = |sender: thread::ScopedJoinHandle<'_, Result<()>>| {
            sender.join().unwrap_or_else(|_| bail!("a producer panicked"))
        };
        senders.into_iter().try_for_each(join)
    })?;
    let per_partition = |count: &dyn Fn(&Batch) -> u64| -> u64 {
        cycle.iter().cycle().take(each).map(count).sum::<u64>() * u64::from(content.partitions)
    };
    let records = per_partition(&|batch| batch.records.unsigned_abs());
    let mut client = KafkaClient::connect(source)?;
    let count = i32::try_from(partitions.len())?;
    let end_offsets = client.offsets(topic, count, LogEdge::End)?.context("a partition is gone")?;
    let there: i64 = end_offsets.iter().sum();
    ensure!(u64::try_from(there)? == records, "{there} of {records} records are in {topic}");
    Ok(ProducedTopic {
        name: topic.to_owned(),
        end_offsets,
        records,
        value_bytes: records * u64::try_from(content.value_bytes)?,
        bytes: per_partition(&|batch| u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX)),
        batches: u64::try_from(each)? * u64::from(content.partitions),
    })
}

/// A connection with some requests in flight.
struct Connection<'a> {
    stream: TcpStream,
    topic: &'a str,
    sent: i32,
    answered: i32,
}

impl<'a> Connection<'a> {
    fn open(source: SocketAddr, topic: &'a str) -> Result<Self> {
        Ok(Self { stream: connect(source)?, topic, sent: 0, answered: 0 })
    }

    /// Sends so many batches to each of the partitions, one at a time to each.
    fn send(&mut self, partitions: &[i32], cycle: &[Batch], each: usize) -> Result<()> {
        for batch in cycle.iter().cycle().take(each) {
            let together = (REQUEST_BYTES / batch.bytes.len()).max(1);
            for some in partitions.chunks(together) {
                self.send_one(some, batch)?;
            }
        }
        while self.answered < self.sent {
            self.take_answer()?;
        }
        Ok(())
    }

    fn send_one(&mut self, partitions: &[i32], batch: &Batch) -> Result<()> {
        if self.sent - self.answered >= IN_FLIGHT_MAX {
            self.take_answer()?;
        }
        let data = |partition: &i32| {
            PartitionProduceData::default()
                .with_index(*partition)
                .with_records(Some(batch.bytes.clone()))
        };
        let topic = TopicProduceData::default()
            .with_name(name(self.topic))
            .with_partition_data(partitions.iter().map(data).collect());
        let request = ProduceRequest::default()
            .with_acks(1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        self.sent += 1;
        self.stream.write_all(&request_frame(&request, PRODUCE_VERSION, self.sent)?)?;
        Ok(())
    }

    fn take_answer(&mut self) -> Result<()> {
        self.answered += 1;
        let mut answer =
            read_response::<ProduceRequest>(&mut self.stream, PRODUCE_VERSION, self.answered)?;
        let told = ProduceResponse::decode(&mut answer, PRODUCE_VERSION)?;
        for part in told.responses.iter().flat_map(|topic| &topic.partition_responses) {
            let (index, code) = (part.index, part.error_code);
            ensure!(code == 0, "{}-{index}: producing failed with error {code}", self.topic);
        }
        Ok(())
    }
}

fn build_cycle(content: &TopicContent) -> Result<Vec<Batch>> {
    let mut values = match content.codec {
        Compression::None => RecordValues::letters(content.value_bytes),
        _ => RecordValues::orders(content.value_bytes),
    };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let payload = content.value_bytes * content.batch_records;
    let batches = (CYCLE_BYTES / payload).max(CYCLE_BATCHES_MIN);
    (0..batches).map(|_| build_batch(content, &mut values, now)).collect()
}

fn build_batch(content: &TopicContent, values: &mut RecordValues, now: i64) -> Result<Batch> {
    let count = i32::try_from(content.batch_records)?;
    let records: Vec<Record> = (0..count)
        .map(|index| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(index),
            // The encoder keeps records in one batch while offset and sequence rise together.
            sequence: NO_SEQUENCE + index,
            timestamp: now,
            key: None,
            value: Some(values.next_value()),
            headers: IndexMap::new(),
        })
        .collect();
    let mut buffer = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: content.codec };
    RecordBatchEncoder::encode(&mut buffer, &records, &options).context("encoding a batch")?;
    Ok(Batch { bytes: buffer.freeze(), records: i64::from(count) })
}

/// Half of the partitions on each.
const CONNECTIONS: usize = 2;
const IN_FLIGHT_MAX: i32 = 5;
/// Bytes of a request, about; a batch for each of some partitions.
const REQUEST_BYTES: usize = 1 << 20;
/// Bytes of values in the batches that are sent in turn.
const CYCLE_BYTES: usize = 24 << 20;
const CYCLE_BATCHES_MIN: usize = 4;
const TIMEOUT_MS: i32 = 30_000;
/// Newest version that names topics.
const PRODUCE_VERSION: i16 = 9;

#[cfg(test)]
mod tests;
