//! A blocking connection that asks a server one thing at a time: what surrounds a measurement.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreateTopicsRequest, ListOffsetsRequest, MetadataRequest, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request};

/// A connection to one server, which leads every partition we ask about.
#[derive(Debug)]
pub struct KafkaClient {
    stream: TcpStream,
    correlation_id: i32,
}

/// Which end of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEdge {
    /// Offset of the first record.
    Start,
    /// Offset behind the last record that readers get.
    End,
}

impl KafkaClient {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = connect(address)?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// When the connection fails or the response is not what the version says.
    pub fn ask<Q: Request>(&mut self, request: &Q, version: i16) -> Result<Q::Response> {
        self.correlation_id += 1;
        self.stream.write_all(&request_frame(request, version, self.correlation_id)?)?;
        let mut response = read_response::<Q>(&mut self.stream, version, self.correlation_id)?;
        let told = Q::Response::decode(&mut response, version).context("decoding a response")?;
        ensure!(response.is_empty(), "{} bytes behind a response", response.len());
        Ok(told)
    }

    /// Partitions of a topic that have a leader, or `None` when the server does not know it yet.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
        // Asking must not make a topic whose replicas nobody chose.
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        let response = self.ask(&request, METADATA_VERSION)?;
        let known = response.topics.iter().find(|known| known.error_code == 0);
        let Some(known) = known else { return Ok(None) };
        let is_led = known.partitions.iter().all(|each| each.error_code == 0);
        Ok(is_led.then_some(i32::try_from(known.partitions.len())?))
    }

    /// Creates a topic with one partition and one replica.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_topic(&mut self, topic: &str) -> Result<()> {
        let new = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(1)
            .with_replication_factor(1);
        self.create(new, topic)
    }

    /// Creates a topic whose partitions all have their replicas on these brokers, the first of
    /// which leads.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_topic_on(&mut self, topic: &str, count: i32, brokers: &[i32]) -> Result<()> {
        let brokers: Vec<BrokerId> = brokers.iter().copied().map(BrokerId).collect();
        let assigned = |index| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index)
                .with_broker_ids(brokers.clone())
        };
        let new = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments((0..count).map(assigned).collect());
        self.create(new, topic)
    }

    fn create(&mut self, new: CreatableTopic, topic: &str) -> Result<()> {
        let request =
            CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(TIMEOUT_MS);
        let response = self.ask(&request, CREATE_TOPICS_VERSION)?;
        let result = response.topics.first().context("no word about the topic")?;
        let (code, told) = (result.error_code, &result.error_message);
        ensure!(code == 0, "topic {topic} is not created: error {code} {told:?}");
        Ok(())
    }

    /// One end of every partition from 0 to `count`; `None` while one is not there.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn offsets(&mut self, topic: &str, count: i32, edge: LogEdge) -> Result<Option<Vec<i64>>> {
        let told = self.ask_offsets(topic, 0..count, edge)?;
        let mut offsets = vec![-1; usize::try_from(count)?];
        for partition in told.iter().filter(|each| each.error_code == 0) {
            let place = offsets.get_mut(usize::try_from(partition.partition_index)?);
            *place.context("a partition nobody asked for")? = partition.offset;
        }
        Ok(offsets.iter().all(|offset| *offset >= 0).then_some(offsets))
    }

    /// Offset behind the last record that readers get of one partition; `None` while it is not
    /// there.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn end_offset(&mut self, topic: &str, partition: i32) -> Result<Option<i64>> {
        let told = self.ask_offsets(topic, partition..partition + 1, LogEdge::End)?;
        let told = told.first().context("no word about the partition")?;
        Ok((told.error_code == 0 && told.offset >= 0).then_some(told.offset))
    }

    fn ask_offsets(
        &mut self,
        topic: &str,
        partitions: Range<i32>,
        edge: LogEdge,
    ) -> Result<Vec<ListOffsetsPartitionResponse>> {
        let timestamp = match edge {
            LogEdge::Start => -2,
            LogEdge::End => -1,
        };
        let partition = |index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        };
        let asked = ListOffsetsTopic::default()
            .with_name(name(topic))
            .with_partitions(partitions.map(partition).collect());
        let request =
            ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
        let response = self.ask(&request, LIST_OFFSETS_VERSION)?;
        let told = response.topics.into_iter().next().context("no word about the topic")?;
        Ok(told.partitions)
    }
}

/// Connects with what every measured connection has.
///
/// # Errors
/// When nobody listens.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    // A server that says nothing is an error to tell, not a measurement to wait for.
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}

/// A whole request, its size in front.
///
/// # Errors
/// When the version cannot express it.
pub fn request_frame<Q: Request>(request: &Q, version: i16, correlation_id: i32) -> Result<Bytes> {
    let mut frame = BytesMut::zeroed(SIZE_BYTES);
    let key = ApiKey::try_from(Q::KEY).ok().context("a request of a known kind")?;
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    header.encode(&mut frame, key.request_header_version(version))?;
    request.encode(&mut frame, version)?;
    let bytes = i32::try_from(frame.len() - SIZE_BYTES)?;
    frame[..SIZE_BYTES].copy_from_slice(&bytes.to_be_bytes());
    Ok(frame.freeze())
}

/// Receives one response to a request of this kind; what is behind its header is returned.
///
/// # Errors
/// When the connection fails, or the response is another's.
pub fn read_response<Q: Request>(
    stream: &mut TcpStream,
    version: i16,
    correlation_id: i32,
) -> Result<Bytes> {
    let mut prefix = [0; SIZE_BYTES];
    stream.read_exact(&mut prefix).context("waiting for a response")?;
    let bytes = usize::try_from(i32::from_be_bytes(prefix))?;
    ensure!(bytes <= RESPONSE_BYTES_MAX, "a response of {bytes} bytes");
    let mut frame = BytesMut::zeroed(bytes);
    stream.read_exact(&mut frame)?;
    let mut frame = frame.freeze();
    let header = ResponseHeader::decode(&mut frame, Q::Response::header_version(version))?;
    let found = header.correlation_id;
    if found != correlation_id {
        bail!("response {found} where {correlation_id} was expected");
    }
    Ok(frame)
}

/// A topic's name as requests hold it.
#[must_use]
pub fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// How the server knows us.
pub const CLIENT_ID: &str = "perf";

const SIZE_BYTES: usize = 4;
/// Largest response but for Fetch.
const RESPONSE_BYTES_MAX: usize = 16 << 20;
const SILENCE_MAX: Duration = Duration::from_secs(60);
const TIMEOUT_MS: i32 = 30_000;
const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;
const LIST_OFFSETS_VERSION: i16 = 6;
