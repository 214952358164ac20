//! Fetch responses: what each partition gets, in the order and with the limits of a broker.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::message::encode_response;

use crate::answers::UNKNOWN_TOPIC_OR_PARTITION;
use crate::fetch_sessions::{FetchSession, FetchedPartition, FetchedTopic};
use crate::random::Random;
use crate::source::{Broker, Source, SourcePartition};

/// A Fetch request that was taken and not answered yet.
#[derive(Debug)]
pub(crate) struct WaitingFetch {
    broker: Broker,
    version: i16,
    correlation: i32,
    pub(crate) wait_ms: u64,
    bytes_max: usize,
    session: Result<FetchSession, i16>,
}

/// What happens to records on their way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    /// Flip a bit in the records of one partition.
    pub(crate) flip: bool,
}

struct Answer {
    data: PartitionData,
    news: bool,
}

impl WaitingFetch {
    pub(crate) fn begin(
        source: &mut Source,
        broker: Broker,
        version: i16,
        correlation: i32,
        request: &FetchRequest,
    ) -> Self {
        let keeps = source.traits.keeps_sessions;
        let sessions = source.sessions.entry(broker).or_default();
        Self {
            broker,
            version,
            correlation,
            wait_ms: u64::try_from(request.max_wait_ms).unwrap_or(0),
            bytes_max: usize::try_from(request.max_bytes).unwrap_or(0),
            session: sessions.take(request, version, keeps),
        }
    }

    /// The response, when there is something to say or `due`; size included.
    pub(crate) fn try_answer(
        &mut self,
        source: &mut Source,
        due: bool,
        damage: Damage,
        random: &mut Random,
    ) -> Option<Vec<u8>> {
        let throttle =
            if random.percent(source.throttle_percent) { random.range_i64(1, 50) } else { 0 };
        let mut response =
            FetchResponse::default().with_throttle_time_ms(i32::try_from(throttle).expect("small"));
        let session = match &mut self.session {
            Ok(session) => session,
            Err(error) => {
                let response = response.with_error_code(*error);
                return Some(encode(self.version, self.correlation, &response));
            }
        };
        let mut left = self.bytes_max;
        let mut first = true;
        let mut answers = Vec::new();
        for asked in &session.partitions {
            let answer = answer_partition(source, self.broker, self.version, asked);
            let mut answer = Answer { data: answer, news: session.full };
            if answer.data.error_code == 0 && answer.data.diverging_epoch.epoch == -1 {
                let records = read(source, self.broker, asked, left.min(asked.bytes_max), first);
                first &= records.is_empty();
                left = left.saturating_sub(records.len());
                answer.data.records = Some(records);
            } else {
                answer.news = true;
            }
            let told = (answer.data.high_watermark, answer.data.log_start_offset);
            answer.news |= asked.told != Some(told);
            answer.news |= answer.data.records.as_ref().is_some_and(|bytes| !bytes.is_empty());
            answers.push(answer);
        }
        let urgent = answers.iter().any(|answer| {
            let data = &answer.data;
            data.error_code != 0
                || data.diverging_epoch.epoch != -1
                || data.records.as_ref().is_some_and(|bytes| !bytes.is_empty())
        });
        if !urgent && !due && !session.partitions.is_empty() {
            return None;
        }
        for (asked, answer) in session.partitions.iter_mut().zip(&answers) {
            let told = (answer.data.high_watermark, answer.data.log_start_offset);
            asked.told = (answer.data.error_code == 0).then_some(told);
        }
        // A broker serves partitions in turn.
        let turn = usize::from(answers.len() > 1);
        session.partitions.rotate_left(turn);
        answers.rotate_left(turn);
        let mut told: Vec<(FetchedTopic, PartitionData)> = session
            .partitions
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.news)
            .map(|(asked, answer)| (asked.topic.clone(), answer.data))
            .collect();
        if damage.flip {
            flip_bit(&mut told, random);
        }
        if self.version >= 16 {
            add_endpoints(&mut response, source, self.broker, &told);
        }
        response.session_id = session.id;
        response.responses = grouped(told);
        Some(encode(self.version, self.correlation, &response))
    }

    /// The answer was sent: the session waits for the next request.
    pub(crate) fn finish(self, source: &mut Source) {
        if let Ok(session) = self.session {
            source.sessions.entry(self.broker).or_default().put(session);
        }
    }
}

fn encode(version: i16, correlation: i32, response: &FetchResponse) -> Vec<u8> {
    encode_response(version, correlation, response).expect("fetch responses encode").to_vec()
}

fn find<'a>(
    source: &'a Source,
    broker: Broker,
    asked: &FetchedPartition,
) -> Option<&'a SourcePartition> {
    match &asked.topic {
        FetchedTopic::Name(name) => source.find(broker, name, asked.index),
        FetchedTopic::Id(id) => source.find_id(broker, *id, asked.index),
    }
}

fn answer_partition(
    source: &Source,
    broker: Broker,
    version: i16,
    asked: &FetchedPartition,
) -> PartitionData {
    let empty = PartitionData::default()
        .with_partition_index(asked.index)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_preferred_read_replica(BrokerId(-1))
        .with_records(Some(Bytes::new()));
    let Some(held) = find(source, broker, asked) else {
        return empty.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
    };
    if held.replaced_by.is_some() {
        return empty.with_error_code(UNKNOWN_TOPIC_ID);
    }
    let error = held.leadership_error(broker, asked.leader_epoch);
    if error != 0 {
        let hint = source.traits.leader_hints && version >= 12 && error != 75;
        let leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(if hint { held.leader } else { -1 }))
            .with_leader_epoch(if hint { held.epoch } else { -1 });
        return empty.with_error_code(error).with_current_leader(leader);
    }
    if asked.last_epoch >= 0 {
        let (epoch, end) = held.epoch_end(asked.last_epoch);
        if epoch < 0 || asked.offset < held.start {
            return empty.with_error_code(OFFSET_OUT_OF_RANGE);
        }
        if epoch < asked.last_epoch || end < asked.offset {
            let diverging = EpochEndOffset::default().with_epoch(epoch).with_end_offset(end);
            let answer = empty.with_diverging_epoch(diverging);
            return answer.with_high_watermark(held.high_watermark);
        }
    }
    if asked.offset < held.start || asked.offset > held.end() {
        return empty.with_error_code(OFFSET_OUT_OF_RANGE);
    }
    let start = if version >= 5 { held.start } else { -1 };
    empty
        .with_high_watermark(held.high_watermark)
        .with_last_stable_offset(held.high_watermark)
        .with_log_start_offset(start)
}

/// Whole batches up to `limit`, the last one cut; a first one above it goes whole when `first`.
fn read(
    source: &Source,
    broker: Broker,
    asked: &FetchedPartition,
    limit: usize,
    first: bool,
) -> Bytes {
    let Some(held) = find(source, broker, asked) else { return Bytes::new() };
    let mut records = BytesMut::new();
    for batch in held.readable(asked.offset) {
        if records.is_empty() && batch.bytes.len() > limit {
            if first {
                records.extend_from_slice(&batch.bytes);
            }
            break;
        }
        let room = limit - records.len();
        records.extend_from_slice(&batch.bytes[..batch.bytes.len().min(room)]);
        if batch.bytes.len() >= room {
            break;
        }
    }
    records.freeze()
}

/// Damages bytes that the CRC of a whole batch covers.
fn flip_bit(told: &mut [(FetchedTopic, PartitionData)], random: &mut Random) {
    let place = random.place(told.len());
    let Some((_, data)) = told.get_mut(place) else { return };
    let Some(records) = data.records.as_ref().filter(|records| records.len() > 61) else {
        return;
    };
    let length = u32::from_be_bytes([records[8], records[9], records[10], records[11]]);
    let batch = (12 + usize::try_from(length).expect("small")).min(records.len());
    let mut damaged = BytesMut::from(&records[..]);
    let at = 21 + random.place(batch - 21);
    damaged[at] ^= 1 << random.below(8);
    data.records = Some(damaged.freeze());
}

fn add_endpoints(
    response: &mut FetchResponse,
    source: &Source,
    asked: Broker,
    told: &[(FetchedTopic, PartitionData)],
) {
    let named = told.iter().any(|(_, data)| data.current_leader.leader_id.0 >= 0);
    for id in 0..source.traits.broker_count {
        if named {
            response.node_endpoints.push(
                NodeEndpoint::default()
                    .with_node_id(BrokerId(id))
                    .with_host(StrBytes::from_string(Broker { id, ..asked }.host()))
                    .with_port(9092),
            );
        }
    }
}

fn grouped(told: Vec<(FetchedTopic, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    let mut last = None;
    for (topic, data) in told {
        if last.as_ref() != Some(&topic) {
            topics.push(match &topic {
                FetchedTopic::Name(name) => FetchableTopicResponse::default()
                    .with_topic(TopicName(StrBytes::from_string(name.clone()))),
                FetchedTopic::Id(id) => {
                    FetchableTopicResponse::default().with_topic_id(uuid::Uuid::from_bytes(*id))
                }
            });
            last = Some(topic);
        }
        topics.last_mut().expect("pushed above").partitions.push(data);
    }
    topics
}

const UNKNOWN_TOPIC_ID: i16 = 100;
const OFFSET_OUT_OF_RANGE: i16 = 1;
