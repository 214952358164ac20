//! Requests for records and offsets of topics, and of those who produce.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, TopicResponse};
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, ProducerId, RequestKind, ResponseKind,
};
use kafka_wire::partition::TopicName;
use mirror_coordinator::acl::AclResource::{self, Topic, TransactionalId};

use super::{Completion, Gate, refusal_code, refusal_message, refuse, response};
use crate::server::answer::Answer;

pub(super) fn admit(gate: &Gate, body: &mut RequestKind) -> Result<Completion, Answer> {
    match body {
        RequestKind::Produce(asked) => Ok(produce(gate, asked)),
        RequestKind::InitProducerId(asked) => init_producer_id(gate, asked),
        RequestKind::ListOffsets(asked) => Ok(list_offsets(gate, asked)),
        RequestKind::OffsetForLeaderEpoch(asked) => Ok(end_offsets(gate, asked)),
        RequestKind::DeleteRecords(asked) => Ok(delete_records(gate, asked)),
        RequestKind::DescribeProducers(asked) => Ok(describe_producers(gate, asked)),
        RequestKind::DescribeTransactions(asked) => Ok(describe_transactions(gate, asked)),
        RequestKind::ListTransactions(_) => Ok(Completion::new(|gate, answer| {
            if let Some(response) = response!(answer, ListTransactions) {
                let states = &mut response.transaction_states;
                states.retain(|state| gate.may(TransactionalId, &state.transactional_id));
            }
        })),
        _ => Ok(Completion::NONE),
    }
}

fn produce(gate: &Gate, asked: &mut ProduceRequest) -> Completion {
    let refused = refuse(&mut asked.topic_data, |data| gate.may(Topic, &data.name));
    if refused.is_empty() {
        return Completion::NONE;
    }
    let acks = asked.acks;
    Completion::new(move |_, answer| {
        if acks == NO_ACKS {
            // Nobody is told; the client is to notice.
            let reason = "unanswered produce request for a topic that is forbidden".to_owned();
            *answer = Answer::Close { reason };
        } else if let Some(response) = response!(answer, Produce) {
            response.responses.extend(refused.into_iter().map(|data| {
                let partitions = data.partition_data.iter().map(|part| {
                    PartitionProduceResponse::default()
                        .with_index(part.index)
                        .with_error_code(TOPIC_REFUSED)
                        .with_base_offset(NOTHING)
                        .with_log_append_time_ms(NOTHING)
                        .with_log_start_offset(NOTHING)
                        .with_error_message(None)
                });
                TopicProduceResponse::default()
                    .with_partition_responses(partitions.collect())
                    .with_name(data.name)
            }));
        }
    })
}

fn init_producer_id(gate: &Gate, asked: &InitProducerIdRequest) -> Result<Completion, Answer> {
    let needed = match &asked.transactional_id {
        Some(id) if gate.may(TransactionalId, id) => return Ok(Completion::NONE),
        Some(_) => TransactionalId,
        None if gate.may_on_cluster() || gate.may_on_any(Topic) => return Ok(Completion::NONE),
        None => AclResource::Cluster,
    };
    let response = InitProducerIdResponse::default()
        .with_error_code(refusal_code(needed))
        .with_producer_id(ProducerId(NOTHING))
        .with_producer_epoch(NO_EPOCH);
    Err(response.into())
}

fn list_offsets(gate: &Gate, asked: &mut ListOffsetsRequest) -> Completion {
    let refused = refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.name));
    if refused.is_empty() {
        return Completion::NONE;
    }
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, ListOffsets) else { return };
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(TOPIC_REFUSED)
            });
            ListOffsetsTopicResponse::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        }));
    })
}

fn end_offsets(gate: &Gate, asked: &mut OffsetForLeaderEpochRequest) -> Completion {
    if gate.may_on_cluster() {
        return Completion::NONE;
    }
    let refused = refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.topic));
    if refused.is_empty() {
        return Completion::NONE;
    }
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, OffsetForLeaderEpoch) else { return };
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                EpochEndOffset::default()
                    .with_partition(partition.partition)
                    .with_error_code(TOPIC_REFUSED)
            });
            OffsetForLeaderTopicResult::default()
                .with_partitions(partitions.collect())
                .with_topic(topic.topic)
        }));
    })
}

fn delete_records(gate: &Gate, asked: &mut DeleteRecordsRequest) -> Completion {
    let refused = refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.name));
    if refused.is_empty() {
        return Completion::NONE;
    }
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, DeleteRecords) else { return };
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(partition.partition_index)
                    .with_low_watermark(NOTHING)
                    .with_error_code(TOPIC_REFUSED)
            });
            DeleteRecordsTopicResult::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        }));
    })
}

fn describe_producers(gate: &Gate, asked: &mut DescribeProducersRequest) -> Completion {
    // What can be no topic's name is told so to everybody.
    let refused = refuse(&mut asked.topics, |topic| {
        TopicName::parse(&topic.name).is_none() || gate.may(Topic, &topic.name)
    });
    if refused.is_empty() {
        return Completion::NONE;
    }
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, DescribeProducers) else { return };
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                PartitionResponse::default()
                    .with_partition_index(*index)
                    .with_error_code(TOPIC_REFUSED)
                    .with_error_message(refusal_message(Topic))
            });
            TopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    })
}

fn describe_transactions(gate: &Gate, asked: &mut DescribeTransactionsRequest) -> Completion {
    let refused = refuse(&mut asked.transactional_ids, |id| gate.may(TransactionalId, id));
    if refused.is_empty() {
        return Completion::NONE;
    }
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, DescribeTransactions) else { return };
        response.transaction_states.extend(refused.into_iter().map(|id| {
            TransactionState::default()
                .with_error_code(refusal_code(TransactionalId))
                .with_transactional_id(id)
        }));
    })
}

const TOPIC_REFUSED: i16 = refusal_code(Topic);
const NO_ACKS: i16 = 0;
/// In place of an offset, a time or an id.
const NOTHING: i64 = -1;
const NO_EPOCH: i16 = -1;
