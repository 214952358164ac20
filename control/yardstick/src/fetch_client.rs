//! The simplest fetcher: asks, receives, discards. What is left of a source's rate on one core,
//! and, when every batch is checked first, of one that can be trusted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{ApiKey, FetchRequest, RequestHeader, TopicName as WireTopic};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_wire::batch_stream::{BatchStep, BatchStream};
use kafka_wire::fetch_event::FetchEvent;
use kafka_wire::fetch_reader::{FRAME_BYTES_MAX, FetchReader};

use crate::disk_probe::DISK_DEPTH;
use crate::machine::{HugeBuffers, pin, thread_cpu};
use crate::measurement::{Sample, repeat_for};
use crate::source_child::{SourceDescription, SourcePartition};

/// What to fetch and throw away.
#[derive(Clone, Copy, Debug)]
pub struct DiscardPlan<'a> {
    /// From where; each connection fetches another partition.
    pub source: &'a SourceDescription,
    /// The core all connections share.
    pub core: usize,
    /// Connections, each with a blocking thread.
    pub connections: usize,
    /// Requests of a connection that are sent ahead of the response being read, itself included.
    pub requests_in_flight: usize,
    /// Bytes asked for in one response.
    pub response_bytes: u32,
    /// For how long.
    pub time: Duration,
}

/// Fetches and throws away; processor time is that of the receiving threads.
///
/// # Errors
/// When the source refuses or its partitions are too short.
pub fn discard(plan: &DiscardPlan<'_>) -> Result<Sample> {
    fetch_all(plan, |client, buffers| client.fetch(buffers))
}

/// The same, but the header of every batch is read and its CRC checked.
///
/// # Errors
/// As [`discard`], and when a batch is damaged.
pub fn check_and_discard(plan: &DiscardPlan<'_>) -> Result<Sample> {
    fetch_all(plan, |client, buffers| client.fetch_checked(buffers))
}

fn fetch_all(
    plan: &DiscardPlan<'_>,
    fetch: impl Fn(&mut FetchClient, &mut [&mut [u8]]) -> Result<u64> + Sync,
) -> Result<Sample> {
    let partitions = plan.source.partitions.get(..plan.connections);
    let partitions = partitions.context("the source has fewer partitions than connections")?;
    let buffer_count = BUFFERS.div_ceil(plan.connections);
    let start = Barrier::new(plan.connections);
    let start = &start;
    let run = |partition| -> Result<Sample> {
        pin(plan.core)?;
        let prepared = FetchClient::connect(plan, partition)
            .and_then(|client| Ok((client, HugeBuffers::new(buffer_count)?)));
        // Also when this one failed: the others must not wait for ever.
        start.wait();
        let (mut client, mut buffers) = prepared?;
        let mut buffers: Vec<_> = buffers.chunks_mut().collect();
        let before = thread_cpu()?;
        let (bytes, elapsed) = repeat_for(plan.time, || fetch(&mut client, &mut buffers))?;
        let cpu = thread_cpu()?.saturating_sub(before);
        client.stream.shutdown(Shutdown::Both)?;
        Ok(Sample { bytes, elapsed, cpu })
    };
    let run = &run;
    let mut total = Sample { bytes: 0, elapsed: Duration::ZERO, cpu: Duration::ZERO };
    thread::scope(|scope| -> Result<()> {
        let spawn = |partition| scope.spawn(move || run(partition));
        let clients: Vec<_> = partitions.iter().map(spawn).collect();
        for client in clients {
            let result = client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked"));
            let sample = result?;
            total.bytes += sample.bytes;
            total.cpu += sample.cpu;
            total.elapsed = total.elapsed.max(sample.elapsed);
        }
        Ok(())
    })?;
    Ok(total)
}

fn silent() -> String {
    format!("the source ended, or said nothing for {} s", SILENCE_MAX.as_secs())
}

/// A connection that fetches the same few ranges again and again.
#[derive(Debug)]
struct FetchClient {
    stream: TcpStream,
    requests: Vec<Vec<u8>>,
    next: usize,
    response_bytes: usize,
}

impl FetchClient {
    fn connect(plan: &DiscardPlan<'_>, partition: &SourcePartition) -> Result<Self> {
        let response_bytes = usize::try_from(plan.response_bytes)?;
        let needed = u64::from(plan.response_bytes) * 2;
        ensure!(partition.bytes >= needed, "a partition of {} bytes is too short", partition.bytes);
        // Starts lie in the first half, so that every response finds its bytes.
        let start = |number| partition.end_offset * number / (2 * RANGES);
        let requests = (0..RANGES).map(|number| request(partition, start(number), plan));
        let stream = TcpStream::connect(plan.source.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let requests = requests.collect::<Result<_>>()?;
        let mut client = Self { stream, requests, next: 0, response_bytes };
        for _ in 0..plan.requests_in_flight {
            client.send()?;
        }
        Ok(client)
    }

    /// Receives one response into `buffers` in turn, and returns its bytes.
    fn fetch(&mut self, buffers: &mut [&mut [u8]]) -> Result<u64> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).with_context(silent)?;
        let bytes = self.announced(prefix)?;
        self.receive(bytes, buffers, |_| Ok(()))?;
        self.send()?;
        Ok(u64::try_from(bytes)? + 4)
    }

    /// The same, and checks every whole batch.
    fn fetch_checked(&mut self, buffers: &mut [&mut [u8]]) -> Result<u64> {
        let mut head = [0; HEAD_BYTES];
        self.stream.read_exact(&mut head).with_context(silent)?;
        let bytes = self.announced([head[0], head[1], head[2], head[3]])?;
        let (head_bytes, records_bytes) = records_in(&head)?;
        let mut batches = BatchStream::new(BATCH_BYTES_MAX);
        let (in_head, begun) = (HEAD_BYTES - head_bytes, &head[head_bytes..]);
        ensure!(in_head <= records_bytes, "a response of {records_bytes} bytes of records");
        feed(&mut batches, begun)?;
        self.receive(records_bytes - in_head, buffers, |piece| feed(&mut batches, piece))?;
        let behind = bytes + 4 - head_bytes - records_bytes;
        self.receive(behind, buffers, |_| Ok(()))?;
        self.send()?;
        Ok(u64::try_from(bytes)? + 4)
    }

    fn announced(&self, prefix: [u8; 4]) -> Result<usize> {
        let bytes = usize::try_from(i32::from_be_bytes(prefix))?;
        ensure!(bytes > self.response_bytes / 2, "a response of only {bytes} bytes");
        Ok(bytes)
    }

    /// Receives so many bytes into `buffers` in turn; `take` sees each piece.
    fn receive(
        &mut self,
        bytes: usize,
        buffers: &mut [&mut [u8]],
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut missing, mut filled) = (bytes, buffers[0].len());
        while missing > 0 {
            if filled == buffers[0].len() {
                buffers.rotate_left(1);
                filled = 0;
            }
            let end = buffers[0].len().min(filled + missing);
            let read = self.stream.read(&mut buffers[0][filled..end]).with_context(silent)?;
            ensure!(read > 0, "the source closed with {missing} bytes missing");
            take(&buffers[0][filled..filled + read])?;
            (missing, filled) = (missing - read, filled + read);
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.requests[self.next])?;
        self.next = (self.next + 1) % self.requests.len();
        Ok(())
    }
}

/// Where the records of the one partition begin in a response, and how many bytes they are.
fn records_in(head: &[u8; HEAD_BYTES]) -> Result<(usize, usize)> {
    let mut reader = FetchReader::new(FRAME_BYTES_MAX);
    reader.begin(VERSION, CORRELATION_ID);
    let mut at = 0;
    loop {
        let (taken, event) = reader.read(&head[at..])?;
        at += taken;
        match event {
            FetchEvent::Partition(head) => {
                ensure!(head.error_code == 0, "the source answers with error {}", head.error_code);
                return Ok((at, usize::try_from(head.records_bytes)?));
            }
            FetchEvent::Head { .. } => {}
            other => bail!("no records at the start of a response: {other:?}"),
        }
    }
}

/// Checks what a piece holds; a batch may go on in the next.
fn feed(batches: &mut BatchStream, mut piece: &[u8]) -> Result<()> {
    loop {
        let (taken, step) = batches.feed(piece)?;
        piece = &piece[taken..];
        if step == BatchStep::NeedMore {
            return Ok(());
        }
    }
}

fn request(asked: &SourcePartition, offset: i64, plan: &DiscardPlan<'_>) -> Result<Vec<u8>> {
    let bytes = i32::try_from(plan.response_bytes)?;
    let partition = FetchPartition::default()
        .with_partition(asked.partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes);
    let topic = FetchTopic::default()
        .with_topic(WireTopic(StrBytes::from_string(asked.topic.clone())))
        .with_partitions(vec![partition]);
    let request =
        FetchRequest::default().with_min_bytes(1).with_max_bytes(bytes).with_topics(vec![topic]);
    let mut frame = BytesMut::zeroed(4);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Fetch as i16)
        .with_request_api_version(VERSION);
    header.encode(&mut frame, ApiKey::Fetch.request_header_version(VERSION))?;
    request.encode(&mut frame, VERSION)?;
    let length = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame.to_vec())
}

/// Buffers that are received into in turn, all connections together: what is to be written stays
/// where it is until the disk has taken it, so one buffer that never leaves the cache is no
/// yardstick.
/// A source that says nothing for so long is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const BUFFERS: usize = DISK_DEPTH;
/// What is read of a response before its records: less than the shortest response asked for.
const HEAD_BYTES: usize = 1024;
/// The largest batch Kafka can be made to take is larger; ours are not.
const BATCH_BYTES_MAX: u32 = 128 << 20;
/// Of every request: they are answered in order.
const CORRELATION_ID: i32 = 0;
/// Version without sessions or topic ids to care about.
const VERSION: i16 = 12;
/// Ranges asked for in turn.
const RANGES: i64 = 8;
