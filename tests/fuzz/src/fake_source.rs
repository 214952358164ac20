//! A source broker that answers well, badly or at random, as the input says.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset as EpochEnd, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, FetchResponse, ListOffsetsResponse,
    OffsetForLeaderEpochResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::message::encode_response;

use crate::batches;
use crate::input::Input;
use crate::seeds::topic_id;

/// Number of the Fetch request.
pub const FETCH: i16 = 1;
/// Number of the ListOffsets request.
pub const LIST_OFFSETS: i16 = 2;
/// Number of the ApiVersions request.
pub const API_VERSIONS: i16 = 18;
/// Number of the OffsetForLeaderEpoch request.
pub const EPOCHS: i16 = 23;
/// The topic it has.
pub const TOPIC: &str = "topic";
/// Partitions of the topic.
pub const PARTITIONS: i32 = 2;

/// What it sent of each partition so far.
#[derive(Clone, Debug, Default)]
pub struct Source {
    next: [i64; PARTITIONS as usize],
}

impl Source {
    /// The answer to a request, given with its size; nothing when there is none.
    pub fn answer(&mut self, request: &[u8], input: &mut Input<'_>) -> Vec<u8> {
        let mut head = Input::new(request.get(4..).unwrap_or_default());
        let (key, version) = (head.u16().cast_signed(), head.u16().cast_signed());
        let correlation = i32::from_be_bytes(head.array());
        match input.byte() % 16 {
            // Bytes of the input in the right frame.
            14 => {
                let length = usize::from(input.byte());
                let body = input.take(length);
                let size = i32::try_from(body.len() + 4).expect("inputs are small");
                [&size.to_be_bytes(), &correlation.to_be_bytes(), body].concat()
            }
            // The right answer with one byte changed.
            15 => {
                let (at, xor) = (usize::from(input.u16()), input.byte());
                let mut frame = self.answer_to(key, version, correlation, input);
                let bytes = frame.len().max(1);
                if let Some(byte) = frame.get_mut(at % bytes) {
                    *byte ^= xor;
                }
                frame
            }
            _ => self.answer_to(key, version, correlation, input),
        }
    }

    /// A well formed answer.
    pub fn answer_to(
        &mut self,
        key: i16,
        version: i16,
        correlation: i32,
        input: &mut Input<'_>,
    ) -> Vec<u8> {
        let frame = match key {
            FETCH => encode_response(version, correlation, &self.fetch_response(version, input)),
            LIST_OFFSETS => encode_response(version, correlation, &list_offsets(version, input)),
            API_VERSIONS => encode_response(version, correlation, &api_versions(input)),
            EPOCHS => encode_response(version, correlation, &epochs(input)),
            _ => return Vec::new(),
        };
        frame.map(Vec::from).unwrap_or_default()
    }

    /// A Fetch response as the input says.
    pub fn fetch_response(&mut self, version: i16, input: &mut Input<'_>) -> FetchResponse {
        let mut response = FetchResponse::default();
        let mut topic = FetchableTopicResponse::default();
        if version >= 13 {
            topic.topic_id = uuid::Uuid::from_bytes(topic_id().bytes());
        } else {
            topic.topic = topic_name();
        }
        if version >= 7 {
            response.session_id = input.choose(&[5, 0, 6]);
            response.error_code = input.choose(&[0, 0, 0, 0, 0, 70, 71]);
        }
        for index in 0..PARTITIONS {
            if let Some(partition) = self.partition(index, version, input) {
                topic.partitions.push(partition);
            }
        }
        if version >= 16 && input.byte() & 1 != 0 {
            let endpoint = NodeEndpoint::default()
                .with_node_id(BrokerId(2))
                .with_host(StrBytes::from_static_str("other"))
                .with_port(9093);
            response.node_endpoints.push(endpoint);
        }
        response.responses.push(topic);
        response
    }

    fn partition(
        &mut self,
        index: i32,
        version: i16,
        input: &mut Input<'_>,
    ) -> Option<PartitionData> {
        let next = &mut self.next[usize::try_from(index).expect("counts from 0")];
        let mut data = PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(*next)
            .with_last_stable_offset(*next)
            .with_records(Some(Bytes::new()));
        if version >= 5 {
            data.log_start_offset = 0;
        }
        match input.byte() % 8 {
            0..=3 => data.records = Some(records(next, input)),
            4 => data.error_code = input.choose(&[1, 3, 6, 74, 75, 76, 100, -1]),
            5 if version >= 12 => {
                let epoch = EpochEndOffset::default().with_epoch(i32::from(input.byte()) - 1);
                data.diverging_epoch = epoch.with_end_offset(i64::from(input.byte()) - 1);
            }
            6 if version >= 12 => {
                data.error_code = input.choose(&[6, 74]);
                let leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2));
                data.current_leader = leader.with_leader_epoch(i32::from(input.byte()));
            }
            7 => return None,
            _ => {}
        }
        Some(data)
    }
}

/// Batches from `next` on; some are damaged or go elsewhere.
fn records(next: &mut i64, input: &mut Input<'_>) -> Bytes {
    let mut bytes = Vec::new();
    for _ in 0..input.byte() % 4 {
        let shape = input.byte();
        let count = input.choose(&[1, 2, 100, 1500]);
        let gap = i64::from(shape & 3) / 3 * 5;
        let epoch = i32::from(shape >> 6);
        let first = bytes.len();
        bytes.extend(batches::data(*next + gap, epoch, count, None));
        if shape & 0x3c == 0x3c {
            let length = bytes.len() - first;
            bytes[first + usize::from(input.u16()) % length] ^= input.byte();
            if input.byte() & 1 != 0 {
                batches::seal(&mut bytes[first..]);
            }
        }
        *next += gap + count;
    }
    if input.byte() & 7 == 7 {
        bytes.truncate(usize::from(input.u16()));
    }
    bytes.into()
}

fn api_versions(input: &mut Input<'_>) -> ApiVersionsResponse {
    let fetch = input.choose(&[17, 16, 13, 12, 11, 7, 4, 3]);
    let ranges = [(FETCH, fetch), (LIST_OFFSETS, 10), (API_VERSIONS, 4), (EPOCHS, 4)];
    let known =
        ranges.map(|(key, max)| ApiVersion::default().with_api_key(key).with_max_version(max));
    let error = input.choose(&[0, 0, 0, 0, 0, 0, 0, 35, 41]);
    ApiVersionsResponse::default().with_api_keys(known.to_vec()).with_error_code(error)
}

fn list_offsets(version: i16, input: &mut Input<'_>) -> ListOffsetsResponse {
    let partition = |index| {
        let error = input.choose(&[0, 0, 0, 0, 6, 3]);
        let listed = ListOffsetsPartitionResponse::default().with_partition_index(index);
        let epoch = if version >= 4 { 0 } else { -1 };
        listed
            .with_error_code(error)
            .with_offset(i64::from(input.byte()) - 1)
            .with_leader_epoch(epoch)
    };
    let partitions = (0..PARTITIONS).map(partition).collect();
    let topic = ListOffsetsTopicResponse::default().with_name(topic_name());
    ListOffsetsResponse::default().with_topics(vec![topic.with_partitions(partitions)])
}

fn epochs(input: &mut Input<'_>) -> OffsetForLeaderEpochResponse {
    let partition = |index| {
        let error = input.choose(&[0, 0, 0, 0, 6, 74, 75, 3]);
        let end = EpochEnd::default().with_partition(index).with_error_code(error);
        let epoch = i32::from(input.byte() % 5) - 1;
        end.with_leader_epoch(epoch).with_end_offset(i64::from(input.u16()) - 1)
    };
    let partitions = (0..PARTITIONS).map(partition).collect();
    let topic = OffsetForLeaderTopicResult::default().with_topic(topic_name());
    OffsetForLeaderEpochResponse::default().with_topics(vec![topic.with_partitions(partitions)])
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}
