//! A producer that sends records when they are due, whatever the server does.
//!
//! The record at offset `start + n` was due `n` intervals after the beginning, so whoever reads it
//! knows how late it is without a clock in the record. A server that stalls makes all records
//! late that were due meanwhile, as it would for anybody: nothing is left out (coordinated
//! omission).

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceResponse};
use kafka_protocol::protocol::Decodable as _;
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;

use crate::kafka_client::{connect, name, read_response, request_frame};

/// When records are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The first one.
    pub begin: Instant,
    /// From one to the next.
    pub interval: Duration,
    /// How many.
    pub records: u32,
}

/// What to send where.
#[derive(Clone, Copy, Debug)]
pub struct ProducePlan<'a> {
    /// The server.
    pub address: SocketAddr,
    /// The topic, of one partition.
    pub topic: &'a str,
    /// `acks`: 1, or -1 for all.
    pub acks: i16,
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Offset that the first record gets.
    pub start_offset: i64,
}

impl Schedule {
    /// When the record is due.
    #[must_use]
    pub fn due(&self, record: u32) -> Instant {
        self.begin + self.interval * record
    }

    /// How many of the records from `first` on are due now; at most as many as a batch takes.
    fn count_due(&self, first: u32, now: Instant) -> u32 {
        let left = self.records - first;
        let is_due = |count: &u32| self.due(first + count) <= now;
        (0..left.min(RECORDS_PER_BATCH_MAX)).take_while(is_due).map(|_| 1).sum()
    }
}

/// Sends all records and waits for all acknowledgements; ends early when `is_vain`.
///
/// # Errors
/// When the server refuses, or gives another offset than the next.
pub fn produce(plan: &ProducePlan<'_>, schedule: &Schedule, is_vain: &AtomicBool) -> Result<()> {
    let mut stream = connect(plan.address)?;
    let mut answers = stream.try_clone()?;
    // Together with the one whose response is being read: max.in.flight.requests.per.connection.
    let (sent, in_flight) = sync_channel(IN_FLIGHT_MAX - 1);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let read = read_acknowledgements(&mut answers, &in_flight);
            // The sender must not go on towards a server that refuses.
            let _ = answers.shutdown(if read.is_ok() { Shutdown::Read } else { Shutdown::Both });
            read
        });
        let wrote = send_when_due(&mut stream, &sent, plan, schedule, is_vain);
        drop(sent);
        let read = reader.join().unwrap_or_else(|_| bail!("reading acknowledgements panicked"));
        // What the server said is why sending failed, if both did.
        read.and(wrote)
    })
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    correlation_id: i32,
    base_offset: i64,
}

fn send_when_due(
    stream: &mut TcpStream,
    sent: &SyncSender<Sent>,
    plan: &ProducePlan<'_>,
    schedule: &Schedule,
    is_vain: &AtomicBool,
) -> Result<()> {
    // The usual 50 us would be the larger part of what is measured. Without it they are.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let value = vec![b'r'; plan.record_bytes];
    let (mut next, mut correlation_id) = (0, 0);
    while next < schedule.records && !is_vain.load(Ordering::Relaxed) {
        thread::sleep(schedule.due(next).saturating_duration_since(Instant::now()));
        let count = schedule.count_due(next, Instant::now()).max(1);
        let base_offset = plan.start_offset + i64::from(next);
        let frame = frame(plan, &value, count, correlation_id)?;
        if sent.send(Sent { correlation_id, base_offset }).is_err() {
            bail!("no acknowledgements are read any more");
        }
        stream.write_all(&frame)?;
        next += count;
        correlation_id += 1;
    }
    Ok(())
}

fn frame(plan: &ProducePlan<'_>, value: &[u8], count: u32, correlation_id: i32) -> Result<Bytes> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let timestamp_ms = i64::try_from(now.as_millis())?;
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..count {
        batch.push(&NewRecord { timestamp_ms, key: None, value: Some(value) });
    }
    let partition = PartitionProduceData::default().with_records(Some(Bytes::from(batch.finish())));
    let topic = TopicProduceData::default()
        .with_name(name(plan.topic))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(plan.acks)
        .with_timeout_ms(TIMEOUT_MS)
        .with_topic_data(vec![topic]);
    request_frame(&request, VERSION, correlation_id)
}

fn read_acknowledgements(stream: &mut TcpStream, in_flight: &Receiver<Sent>) -> Result<()> {
    for sent in in_flight {
        let mut response = read_response::<ProduceRequest>(stream, VERSION, sent.correlation_id)?;
        let response = ProduceResponse::decode(&mut response, VERSION)?;
        let topic = response.responses.first().context("no word about the topic")?;
        let told = topic.partition_responses.first().context("no word about the partition")?;
        let (code, message) = (told.error_code, &told.error_message);
        ensure!(code == 0, "{:?} failed with error {code}: {message:?}", ApiKey::Produce);
        let (found, expected) = (told.base_offset, sent.base_offset);
        ensure!(found == expected, "records got offset {found}, {expected} was expected");
    }
    Ok(())
}

/// `max.in.flight.requests.per.connection` of Kafka's producer.
const IN_FLIGHT_MAX: usize = 5;
/// Close to the 16 KiB of `batch.size`, for records of 1 KiB.
const RECORDS_PER_BATCH_MAX: u32 = 15;
const VERSION: i16 = 9;
const TIMEOUT_MS: i32 = 30_000;

#[cfg(test)]
mod tests;
