//! Produce (key 0): record batches for the logs that clients write to, one for each partition.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::record_batch::BatchHeader;

use crate::batch_records::DecompressionBudget;
use crate::catalog::Topic;
use crate::local_log::READABLE_BATCH_BYTES_MAX;
use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::refusal::Refusal;
use crate::server::writes::transactions;
use crate::writable_log::{AppendError, Appended};

/// Appends what is asked for in that version of the request, partition by partition. Waits for the
/// disk; `now_ms` is our clock.
///
/// With one replica acks -1 and 1 mean the same. Nothing is answered to acks 0, and a connection
/// that something was refused on ends, so that the client notices.
pub(super) fn produce(node: &Node, asked: &ProduceRequest, version: i16, now_ms: i64) -> Answer {
    let whole = refusal_of_all(asked);
    let mut first_refused = None;
    let mut budget = DecompressionBudget::new(node.limits.produce_decompressed_bytes_max);
    let responses = asked.topic_data.iter().map(|data| {
        let topic = node.catalog.topic_named(&data.name);
        let usable = match &whole {
            Some(refusal) => Err(refusal.clone()),
            None => usable(data, topic.as_deref()),
        };
        let partitions = data.partition_data.iter().map(|part| {
            let outcome = match &usable {
                Ok(topic) => {
                    let records = Records { part, version, now_ms };
                    append(node, topic, &records, &mut budget)
                }
                Err(refusal) => Err(refused(refusal)),
            };
            let response = PartitionProduceResponse::default().with_index(part.index);
            match outcome {
                Ok(appended) => {
                    // A client may write with an id that nobody gave it.
                    node.catalog.note_producer_id(appended.producer_id);
                    accepted(response, &appended)
                }
                Err(refused) => {
                    if first_refused.is_none() {
                        first_refused = Some(format!(
                            "{}-{}: {}",
                            data.name.escape_default(),
                            part.index,
                            refused.refusal.message
                        ));
                    }
                    not_accepted(response, &refused)
                }
            }
        });
        TopicProduceResponse::default()
            .with_name(data.name.clone())
            .with_partition_responses(partitions.collect())
    });
    let responses: Vec<TopicProduceResponse> = responses.collect();
    match first_refused {
        _ if asked.acks != NO_ACKS => ProduceResponse::default().with_responses(responses).into(),
        None => Answer::Nothing,
        Some(reason) => Answer::Close { reason: format!("unanswered produce request: {reason}") },
    }
}

/// A partition's records that were not appended.
struct Refused {
    refusal: Refusal,
    /// The record that is wrong, when it is one.
    record_index: Option<i32>,
}

/// Why nothing of the request is looked at.
fn refusal_of_all(asked: &ProduceRequest) -> Option<Refusal> {
    if asked.transactional_id.is_some() {
        return Some(Refusal::new(transactions::REFUSED, transactions::REFUSED_TEXT));
    }
    if ![ALL_ACKS, NO_ACKS, LEADER_ACKS].contains(&asked.acks) {
        let message = format!("acks is {}, expected -1, 0 or 1", asked.acks);
        return Some(Refusal::new(ResponseError::InvalidRequiredAcks, message));
    }
    None
}

fn usable<'a>(data: &TopicProduceData, topic: Option<&'a Topic>) -> Result<&'a Topic, Refusal> {
    let Some(topic) = topic else { return Err(Refusal::unknown_topic(&data.name)) };
    if topic.is_internal() {
        let message = format!("Cannot append to internal topic '{}'.", topic.name);
        return Err(Refusal::new(ResponseError::InvalidTopicException, message));
    }
    Ok(topic)
}

/// What is to be appended to one partition.
struct Records<'a> {
    part: &'a PartitionProduceData,
    /// Version of the request.
    version: i16,
    /// Our clock.
    now_ms: i64,
}

/// Refuses a codec that is younger than the request (`ProduceRequest.validateRecords`). What is no
/// batch is left to the log to refuse.
fn check_codec(part: &PartitionProduceData, version: i16) -> Result<(), Refused> {
    let head = part.records.as_deref().and_then(<[u8]>::first_chunk);
    let header = head.and_then(|head| BatchHeader::parse(head, READABLE_BATCH_BYTES_MAX).ok());
    if version < ZSTD_SINCE && header.is_some_and(|header| header.attributes.codec() == ZSTD) {
        let message = format!(
            "Produce requests with version {version} are not allowed to use ZStandard compression"
        );
        return Err(refused(&Refusal::new(ResponseError::UnsupportedCompressionType, message)));
    }
    Ok(())
}

fn append(
    node: &Node,
    topic: &Topic,
    records: &Records<'_>,
    budget: &mut DecompressionBudget,
) -> Result<Appended, Refused> {
    let Records { part, version, now_ms } = *records;
    let Some(partition) = topic.partition(part.index) else {
        let message = format!("Topic '{}' has no partition {}.", topic.name, part.index);
        return Err(refused(&Refusal::new(ResponseError::UnknownTopicOrPartition, message)));
    };
    let Some(log) = partition.log() else { return Err(refused(&not_open(node, topic))) };
    check_codec(part, version)?;
    let records = part.records.as_deref().unwrap_or_default();
    log.append_produced_within(budget, records, now_ms).map_err(|error| {
        match error {
            AppendError::Storage(_) => tracing::warn!("{}: {error}", partition.name),
            // It went to the engine while the request was under way.
            AppendError::Closed => return refused(&not_open(node, topic)),
            _ => {}
        }
        Refused {
            refusal: Refusal::new(error.kafka_error(), error.to_string()),
            record_index: error.record_index(),
        }
    })
}

/// Of a log that clients cannot write to: for ever as far as they know when it is mirrored, which
/// it may be since a moment ago.
fn not_open(node: &Node, topic: &Topic) -> Refusal {
    let now = node.catalog.topic(&topic.name);
    if now.as_deref().unwrap_or(topic).is_bound() {
        return Refusal::mirrored(node, topic);
    }
    let message = format!("A log of topic '{}' is not open.", topic.name);
    Refusal::new(ResponseError::NotLeaderOrFollower, message)
}

fn refused(refusal: &Refusal) -> Refused {
    Refused { refusal: refusal.clone(), record_index: None }
}

fn accepted(response: PartitionProduceResponse, appended: &Appended) -> PartitionProduceResponse {
    response
        .with_base_offset(appended.base_offset.get())
        .with_log_append_time_ms(appended.log_append_time_ms)
        .with_log_start_offset(appended.log_start.offset().get())
        .with_error_message(None)
}

fn not_accepted(response: PartitionProduceResponse, refused: &Refused) -> PartitionProduceResponse {
    let Refused { refusal, record_index } = refused;
    let record_error = record_index.map(|index| {
        let message = StrBytes::from_string(refusal.message.clone());
        BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(Some(message))
    });
    response
        .with_error_code(refusal.code())
        .with_base_offset(NOTHING)
        .with_log_append_time_ms(NOTHING)
        .with_log_start_offset(NOTHING)
        .with_record_errors(record_error.into_iter().collect())
        .with_error_message(refusal.text())
}

const ALL_ACKS: i16 = -1;
const NO_ACKS: i16 = 0;
const LEADER_ACKS: i16 = 1;
/// Number of the codec, and the version of the request from which clients know it (KIP-110).
const ZSTD: u16 = 4;
const ZSTD_SINCE: i16 = 7;
/// In place of an offset or a time.
const NOTHING: i64 = -1;

#[cfg(test)]
mod tests;
