//! A consumer that is nothing but its requests: follows logs by real offsets, keeps no record.
//!
//! It asks as Kafka's consumer does, one request in flight on its connection, and reads of the
//! records no more than the batches' headers, which say where to go on. What it costs is
//! receiving; with [`Discard::InKernel`] not even that.

use std::io::Read as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};
use kafka_wire::fetch_event::FetchEvent;
use kafka_wire::fetch_reader::{FRAME_BYTES_MAX, FetchReader};
use kafka_wire::fetch_request::{FetchPartition, FetchRequestHead, FetchRequestWriter, TopicRef};
use kafka_wire::offset::Offset;
use kafka_wire::partition::PartitionIndex;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};
use rustix::net::RecvFlags;

use crate::kafka_client::{CLIENT_ID, connect};

/// What a consumer asks for; the names are those of Kafka's consumer.
#[derive(Clone, Copy, Debug)]
pub struct FetchSettings {
    /// `max.partition.fetch.bytes`.
    pub partition_bytes_max: u32,
    /// `fetch.max.bytes`.
    pub bytes_max: u32,
    /// `fetch.max.wait.ms`.
    pub wait_ms_max: u32,
    /// `fetch.min.bytes`.
    pub bytes_min: u32,
    /// What becomes of the records.
    pub discard: Discard,
}

/// What becomes of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// They are received like any consumer's, and thrown away.
    Received,
    /// The kernel throws them away (`MSG_TRUNC`): a consumer whose own cost does not count,
    /// because it stands for one on another machine.
    InKernel,
}

impl FetchSettings {
    /// The defaults of Kafka's Java consumer.
    pub const JAVA: Self = Self {
        partition_bytes_max: 1 << 20,
        bytes_max: 50 << 20,
        wait_ms_max: 500,
        bytes_min: 1,
        discard: Discard::Received,
    };
}

/// A connection that follows logs.
#[derive(Debug)]
pub struct LogFetcher {
    inflow: Inflow,
    reader: FetchReader,
    settings: FetchSettings,
    correlation_id: i32,
}

/// Bytes received and not used yet.
#[derive(Debug)]
struct Inflow {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    discard: Discard,
}

/// What one response brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Kafka's code for the partition, 0 for none.
    pub error_code: i16,
    /// Bytes of whole batches.
    pub batch_bytes: u64,
    /// Where to go on.
    pub next_offset: i64,
}

impl LogFetcher {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr, settings: FetchSettings) -> Result<Self> {
        let stream = connect(address)?;
        let buffer = vec![0; BUFFER_BYTES];
        let inflow = Inflow { stream, buffer, start: 0, end: 0, discard: settings.discard };
        let reader = FetchReader::new(FRAME_BYTES_MAX);
        Ok(Self { inflow, reader, settings, correlation_id: 0 })
    }

    /// Reads a partition from `start` to `end`, which is reached exactly or passed; returns the
    /// bytes of its batches.
    ///
    /// # Errors
    /// When the server refuses, or sends what is not the log.
    pub fn follow(&mut self, topic: &str, partition: i32, start: i64, end: i64) -> Result<u64> {
        let (mut offset, mut bytes) = (start, 0);
        while offset < end {
            let fetched = self.fetch(topic, partition, offset, |_| {})?;
            let code = fetched.error_code;
            ensure!(code == 0, "{topic}-{partition} at {offset}: error {code}");
            (offset, bytes) = (fetched.next_offset, bytes + fetched.batch_bytes);
        }
        Ok(bytes)
    }

    /// Asks once, and tells `on_batch` of every whole batch when all of it is here.
    ///
    /// # Errors
    /// When the connection fails or the response is not what was asked for.
    pub fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        mut on_batch: impl FnMut(&BatchHeader),
    ) -> Result<Fetched> {
        self.send(topic, partition, offset)?;
        self.reader.begin(VERSION, self.correlation_id);
        let mut fetched = Fetched { error_code: 0, batch_bytes: 0, next_offset: offset };
        loop {
            let (taken, event) = self.reader.read(self.inflow.unread())?;
            self.inflow.consume(taken);
            match event {
                FetchEvent::NeedMore => self.inflow.fill()?,
                FetchEvent::Head { error_code, .. } => {
                    ensure!(error_code == 0, "the fetch failed with error {error_code}");
                }
                FetchEvent::Partition(head) => {
                    ensure!(head.partition == partition, "not the partition asked for");
                    fetched.error_code = head.error_code;
                    if head.records_bytes > 0 {
                        self.take_records(head.records_bytes, &mut fetched, &mut on_batch)?;
                        self.reader.records_done();
                    }
                }
                FetchEvent::PartitionEnd(_) | FetchEvent::NodeEndpoint => {}
                FetchEvent::End => return Ok(fetched),
            }
        }
    }

    fn send(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.correlation_id = self.correlation_id.wrapping_add(1) & i32::MAX;
        let head = FetchRequestHead {
            version: VERSION,
            correlation_id: self.correlation_id,
            client_id: CLIENT_ID,
            max_wait_ms: self.settings.wait_ms_max,
            min_bytes: self.settings.bytes_min,
            max_bytes: self.settings.bytes_max,
            session_id: 0,
            session_epoch: -1,
        };
        let asked = FetchPartition {
            topic: TopicRef::Name(topic),
            partition: PartitionIndex::from_wire(partition).context("a negative partition")?,
            current_leader_epoch: None,
            fetch_offset: Offset::from_wire(offset).context("a negative offset")?,
            last_fetched_epoch: None,
            log_start: -1,
            max_bytes: self.settings.partition_bytes_max,
        };
        let mut buffer = [0; REQUEST_BYTES_MAX];
        let mut writer = FetchRequestWriter::start(&mut buffer, &head)?;
        writer.partition(&asked)?;
        let bytes = writer.finish();
        self.inflow.stream.write_all(&buffer[..bytes])?;
        Ok(())
    }

    /// Walks over the records of a response; the last batch may be cut off.
    fn take_records(
        &mut self,
        records_bytes: u32,
        fetched: &mut Fetched,
        on_batch: &mut impl FnMut(&BatchHeader),
    ) -> Result<()> {
        let mut left = records_bytes;
        while left > 0 {
            if left < HEADER_BYTES_U32 {
                self.inflow.pass_over(left)?;
                return Ok(());
            }
            let bytes: &[u8; HEADER_BYTES] = self.inflow.at_least(HEADER_BYTES)?.try_into()?;
            let header = BatchHeader::parse(bytes, u32::MAX)?;
            if header.batch_bytes > left {
                self.inflow.pass_over(left)?;
                return Ok(());
            }
            self.inflow.pass_over(header.batch_bytes)?;
            left -= header.batch_bytes;
            // A batch may begin before the offset asked for.
            let next = header.next_offset().get();
            ensure!(next > fetched.next_offset, "a batch that ends before {}", fetched.next_offset);
            fetched.next_offset = next;
            fetched.batch_bytes += u64::from(header.batch_bytes);
            on_batch(&header);
        }
        Ok(())
    }
}

impl Inflow {
    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    const fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Receives once, behind what is there.
    fn fill(&mut self) -> Result<()> {
        // What is there is the start of a header: a few bytes.
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = match self.discard {
            Discard::Received => self.buffer.len(),
            Discard::InKernel => self.buffer.len().min(self.end + HEADER_BYTES),
        };
        let received = self.stream.read(&mut self.buffer[self.end..room])?;
        ensure!(received > 0, "the server closed the connection inside a response");
        self.end += received;
        Ok(())
    }

    /// The next bytes, exactly so many.
    fn at_least(&mut self, bytes: usize) -> Result<&[u8]> {
        while self.end - self.start < bytes {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.start + bytes])
    }

    fn pass_over(&mut self, bytes: u32) -> Result<()> {
        let mut left = usize::try_from(bytes)?;
        loop {
            let here = left.min(self.end - self.start);
            self.consume(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            match self.discard {
                Discard::Received => self.fill()?,
                Discard::InKernel => left -= self.drop_in_kernel(left)?,
            }
        }
    }

    fn drop_in_kernel(&mut self, bytes: usize) -> Result<usize> {
        let limit = bytes.min(self.buffer.len());
        let buffer = &mut self.buffer[..limit];
        let (_, dropped) = rustix::net::recv(&self.stream, buffer, RecvFlags::TRUNC)?;
        if dropped == 0 {
            bail!("the server closed the connection inside a response");
        }
        // Nothing unread was in the buffer.
        (self.start, self.end) = (0, 0);
        Ok(dropped)
    }
}

/// Newest version that names topics; what both servers and the synthetic source speak.
const VERSION: i16 = 12;
const BUFFER_BYTES: usize = 1 << 20;
const REQUEST_BYTES_MAX: usize = 1024;
const HEADER_BYTES_U32: u32 = 61;
const _: () = assert!(HEADER_BYTES == HEADER_BYTES_U32 as usize);

#[cfg(test)]
mod tests;
