//! Answers to Fetch: what each partition gets, in the order and with the limits of a broker.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use kafka_protocol::messages::FetchRequest;

use super::cluster::{Cluster, Partition, State, Topic};
use super::fetch_frame::FetchFrame;
use super::fetch_response::{PartitionAnswer, ResponseHead, write_response};
use super::fetch_session::{FetchSession, FetchedPartition, FetchedTopic};
use super::synthetic_log::SyntheticLog;

/// The request as it reached a broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchCall<'a> {
    pub(crate) broker: i32,
    pub(crate) correlation: i32,
    pub(crate) version: i16,
    pub(crate) request: &'a FetchRequest,
}

/// Fills `frame` with the response, waiting for records as long as the request allows.
///
/// False when the source stopped meanwhile.
pub(crate) fn answer_fetch(cluster: &Cluster, call: FetchCall<'_>, frame: &mut FetchFrame) -> bool {
    let mut state = cluster.state();
    let taken = match state.sessions.get_mut(&call.broker) {
        Some(sessions) => sessions.take(call.request, call.version),
        None => return false,
    };
    let mut session = match taken {
        Ok(session) => session,
        Err(refusal) => {
            let head = ResponseHead { error: refusal.code(), session: 0, ..head(cluster, call) };
            write_response(frame, head, &[], &cluster.brokers);
            return true;
        }
    };
    let wait_ms = u64::try_from(call.request.max_wait_ms).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_millis(wait_ms);
    let answers = loop {
        if state.stopping {
            return false;
        }
        if state.stalled {
            state = wait(cluster, state, STALL_CHECK);
            continue;
        }
        let answers = answers(&mut state, call, &session.partitions);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || is_enough(&answers, call.request.min_bytes) {
            break answers;
        }
        state = wait(cluster, state, left);
    };
    let told = tell(&mut session, answers);
    let head = ResponseHead { session: session.id, ..head(cluster, call) };
    write_response(frame, head, &told, &cluster.brokers);
    if let Some(sessions) = state.sessions.get_mut(&call.broker) {
        sessions.put(session);
    }
    true
}

fn head(cluster: &Cluster, call: FetchCall<'_>) -> ResponseHead {
    ResponseHead {
        correlation: call.correlation,
        version: call.version,
        throttle_ms: cluster.pace.throttle_ms,
        error: 0,
        session: 0,
    }
}

fn wait<'a>(
    cluster: &'a Cluster,
    state: MutexGuard<'a, State>,
    pause: Duration,
) -> MutexGuard<'a, State> {
    let waited = cluster.changed.wait_timeout(state, pause);
    waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
}

fn is_enough(answers: &[PartitionAnswer], min_bytes: i32) -> bool {
    let bytes: usize = answers.iter().map(|answer| answer.records_bytes).sum();
    answers.is_empty()
        || answers.iter().any(|answer| answer.error != 0 || answer.diverging.is_some())
        || bytes >= usize::try_from(min_bytes).unwrap_or(0)
}

/// Drops what the client already knows, and moves partitions with records to the end.
fn tell(session: &mut FetchSession, answers: Vec<PartitionAnswer>) -> Vec<PartitionAnswer> {
    let mut told = Vec::with_capacity(answers.len());
    let mut served = Vec::new();
    let mut waiting = Vec::with_capacity(answers.len());
    for (mut partition, answer) in session.partitions.drain(..).zip(answers) {
        let state = (answer.high_watermark, answer.start_offset);
        let is_news = session.is_full
            || answer.records_bytes > 0
            || answer.error != 0
            || answer.diverging.is_some()
            || partition.told != Some(state);
        partition.told = (answer.error == 0).then_some(state);
        if answer.records_bytes > 0 {
            served.push(partition)
        } else {
            waiting.push(partition)
        }
        if is_news {
            told.push(answer);
        }
    }
    waiting.append(&mut served);
    session.partitions = waiting;
    told
}

fn answers(
    state: &mut State,
    call: FetchCall<'_>,
    partitions: &[FetchedPartition],
) -> Vec<PartitionAnswer> {
    let mut bytes_left = usize::try_from(call.request.max_bytes).unwrap_or(0);
    let mut is_first = true;
    let mut answers = Vec::with_capacity(partitions.len());
    // Partitions of a topic mostly follow each other.
    let mut topic_before = 0;
    for asked in partitions {
        let mut answer = answer_partition(state, call, asked, &mut topic_before);
        if answer.error == 0 && answer.diverging.is_none() {
            let limit = bytes_left.min(usize::try_from(asked.bytes_max).unwrap_or(0));
            read_records(&mut answer, asked.fetch_offset, limit, is_first);
            is_first &= answer.records_bytes == 0;
            bytes_left = bytes_left.saturating_sub(answer.records_bytes);
        }
        answers.push(answer);
    }
    answers
}

fn answer_partition(
    state: &mut State,
    call: FetchCall<'_>,
    asked: &FetchedPartition,
    topic_before: &mut usize,
) -> PartitionAnswer {
    let refused = |error| PartitionAnswer::refused(asked.topic.clone(), asked.index, error);
    let is_asked = |topic: &Topic| match &asked.topic {
        FetchedTopic::Name(name) => topic.spec.name.as_str() == name,
        FetchedTopic::Id(id) => topic.id == *id,
    };
    if !state.topics.get(*topic_before).is_some_and(is_asked) {
        *topic_before = state.topics.iter().position(is_asked).unwrap_or(usize::MAX);
    }
    let Some(topic) = state.topics.get_mut(*topic_before) else {
        let by_id = matches!(asked.topic, FetchedTopic::Id(_));
        return refused(if by_id { UNKNOWN_TOPIC_ID } else { UNKNOWN_TOPIC_OR_PARTITION });
    };
    let index = usize::try_from(asked.index).unwrap_or(usize::MAX);
    if index >= topic.partitions.len() {
        return refused(UNKNOWN_TOPIC_OR_PARTITION);
    }
    if let Some(error) = topic.partitions[index].refusals.pop_front() {
        return refused(error);
    }
    let partition = &topic.partitions[index];
    let error = leadership_error(partition, call.broker, asked.current_leader_epoch);
    if error != 0 {
        let mut answer = refused(error);
        answer.current_leader = Some((partition.leader, partition.log.epoch()));
        return answer;
    }
    let answer = read_partition(partition, asked);
    if answer.error == 0 {
        follow_log_start(topic, index, asked.fetch_offset);
    }
    answer
}

/// Kafka's order: the epoch is compared before leadership is asked for.
pub(crate) fn leadership_error(partition: &Partition, broker: i32, known_epoch: i32) -> i16 {
    let epoch = partition.log.epoch();
    if known_epoch >= 0 && known_epoch < epoch {
        FENCED_LEADER_EPOCH
    } else if known_epoch > epoch {
        UNKNOWN_LEADER_EPOCH
    } else if partition.leader != broker {
        NOT_LEADER_OR_FOLLOWER
    } else {
        0
    }
}

fn read_partition(partition: &Partition, asked: &FetchedPartition) -> PartitionAnswer {
    let log = &partition.log;
    let refused = |error| PartitionAnswer::refused(asked.topic.clone(), asked.index, error);
    let mut answer = refused(0);
    answer.high_watermark = log.end();
    answer.last_stable_offset = log.last_stable();
    answer.start_offset = log.start();
    if asked.last_fetched_epoch >= 0 {
        let (epoch, end) = log.epoch_end(asked.last_fetched_epoch);
        if epoch < 0 {
            return refused(OFFSET_OUT_OF_RANGE);
        }
        if epoch < asked.last_fetched_epoch || end < asked.fetch_offset {
            answer.diverging = Some((epoch, end));
            return answer;
        }
    }
    if asked.fetch_offset < log.start() || asked.fetch_offset > log.end() {
        return refused(OFFSET_OUT_OF_RANGE);
    }
    answer.log = (asked.fetch_offset < log.end()).then(|| log.clone());
    answer
}

/// Chooses the records: whole batches up to `limit`, the last one cut, but never the first one.
///
/// A first batch above the limit goes whole into the first partition that has records, and is
/// left out of the others (`ReplicaManager.readFromLog`, `FetchRequest` from version 3).
fn read_records(answer: &mut PartitionAnswer, offset: i64, limit: usize, is_first: bool) {
    let Some(log) = answer.log.as_ref() else { return };
    let first = log.batch_at(offset);
    let mut bytes = 0;
    let mut number = first;
    while number < log.batch_count() && bytes < limit.max(1) {
        let batch = log.batch(number).bytes();
        if number == first && batch > limit {
            bytes = if is_first { batch } else { 0 };
            break;
        }
        bytes += batch;
        number += 1;
    }
    let is_oversized = number == first;
    answer.first_batch = first;
    answer.records_bytes = if is_oversized { bytes } else { bytes.min(limit) };
}

fn follow_log_start(topic: &mut Topic, index: usize, fetched: i64) {
    let Some(kept) = topic.spec.log_start_follows else { return };
    let log = &mut topic.partitions[index].log;
    let (mut low, mut high) = (log.batch_at(log.start()), log.batch_at(fetched));
    let fetched_batch = high;
    while low < high {
        let middle = low + (high - low) / 2;
        if log.bytes_between(middle, fetched_batch) > kept {
            low = middle + 1
        } else {
            high = middle
        }
    }
    let start = start_of(log, low);
    log.set_start(start);
}

fn start_of(log: &SyntheticLog, number: i64) -> i64 {
    if number < log.batch_count() { log.batch(number).base_offset.get() } else { log.end() }
}

/// How often a stalled fetch looks whether the source stops.
const STALL_CHECK: Duration = Duration::from_millis(100);

/// Kafka's `OFFSET_OUT_OF_RANGE`.
pub(crate) const OFFSET_OUT_OF_RANGE: i16 = 1;
/// Kafka's `UNKNOWN_TOPIC_OR_PARTITION`.
pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// Kafka's `NOT_LEADER_OR_FOLLOWER`.
pub(crate) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// Kafka's `FENCED_LEADER_EPOCH`.
pub(crate) const FENCED_LEADER_EPOCH: i16 = 74;
/// Kafka's `UNKNOWN_LEADER_EPOCH`.
pub(crate) const UNKNOWN_LEADER_EPOCH: i16 = 75;
/// Kafka's `UNKNOWN_TOPIC_ID`.
pub(crate) const UNKNOWN_TOPIC_ID: i16 = 100;
