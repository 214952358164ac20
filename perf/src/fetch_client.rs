//! The simplest fetcher: asks, receives, discards. What is left of a source's rate on one core.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{ApiKey, FetchRequest, RequestHeader, TopicName as WireTopic};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicName;

use crate::synthetic_source::SyntheticSource;
use crate::synthetic_source::spec::{LogSize, SyntheticSpec, TopicSpec};

/// Bytes asked for in one response.
const RESPONSE_BYTES: i32 = 1 << 20;
/// Version without sessions or topic ids to care about.
const VERSION: i16 = 12;
/// Requests sent ahead of the response being read.
const IN_FLIGHT: usize = 2;
const TOPIC: &str = "discard";

/// A connection that fetches the same few ranges again and again.
#[derive(Debug)]
pub struct FetchClient {
    stream: TcpStream,
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl FetchClient {
    /// The source this client expects: one topic of one partition.
    #[must_use]
    pub fn source_spec() -> SyntheticSpec {
        let name = TopicName::parse(TOPIC).expect("a legal name");
        let topic = TopicSpec::new(name, 1, LogSize::Bytes(1 << 30));
        SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() }
    }

    /// Connects and prepares requests for ranges of 1 MiB.
    ///
    /// # Errors
    /// When the source cannot be reached or has no such topic.
    pub fn connect(source: &SyntheticSource) -> Result<Self> {
        let partition = source.partitions().into_iter().next().context("no partition")?;
        let log = source.log(&partition)?;
        let end = log.end_offset().offset();
        let mut requests = Vec::new();
        let mut bytes = 0;
        for batch in log.batches(Offset::ZERO, end) {
            if bytes / usize::try_from(RESPONSE_BYTES)? >= requests.len() {
                requests.push(request(batch.base_offset)?);
            }
            bytes += batch.bytes();
            if requests.len() == RANGES {
                break;
            }
        }
        let stream = TcpStream::connect(source.bootstrap())?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, requests, next: 0 };
        for _ in 0..IN_FLIGHT {
            client.send()?;
        }
        Ok(client)
    }

    /// Receives one response into `buffer`, over and over, and returns its bytes.
    ///
    /// # Errors
    /// When the connection ends or the response is not whole.
    pub fn fetch(&mut self, buffer: &mut [u8]) -> Result<u64> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let bytes = usize::try_from(i32::from_be_bytes(prefix))?;
        ensure!(bytes > usize::try_from(RESPONSE_BYTES)?, "a response of only {bytes} bytes");
        let mut missing = bytes;
        while missing > 0 {
            let wanted = missing.min(buffer.len());
            let read = self.stream.read(&mut buffer[..wanted])?;
            ensure!(read > 0, "the source closed with {missing} bytes missing");
            missing -= read;
        }
        self.send()?;
        Ok(u64::try_from(bytes)? + 4)
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.requests[self.next])?;
        self.next = (self.next + 1) % self.requests.len();
        Ok(())
    }
}

fn request(offset: Offset) -> Result<Vec<u8>> {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset.get())
        .with_partition_max_bytes(RESPONSE_BYTES);
    let topic = FetchTopic::default()
        .with_topic(WireTopic(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_min_bytes(1)
        .with_max_bytes(RESPONSE_BYTES)
        .with_topics(vec![topic]);
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

/// Ranges asked for in turn; as many as the source's prebuilt batches fill.
const RANGES: usize = 8;
