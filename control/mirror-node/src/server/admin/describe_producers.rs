//! DescribeProducers (key 61): who wrote to a partition last, and which transactions are open.

use std::collections::HashSet;

use kafka_log::producer_state::ProducerState as KnownProducer;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::catalog::{Partition, Topic};
use crate::local_topics::keeper::now_ms;
use crate::log_reader::ReadError;
use crate::node::Node;
use crate::server::refusal::Refusal;

/// Reads the producers of each partition, of mirrored ones too. Waits for the disk.
pub(super) fn describe(node: &Node, asked: &DescribeProducersRequest) -> DescribeProducersResponse {
    let mut seen = HashSet::new();
    let topics = asked.topics.iter().map(|asked| {
        let topic = node.catalog.topic_named(&asked.name);
        let partitions = asked.partition_indexes.iter().map(|index| {
            let response = PartitionResponse::default().with_partition_index(*index);
            // Without this a small request could have a log read any number of times.
            let producers = if seen.insert((asked.name.as_str(), *index)) {
                producers(node, topic.as_deref(), *index)
            } else {
                Err(Refusal::invalid_request("The partition is in the request more than once."))
            };
            match producers {
                Ok(producers) => response.with_active_producers(producers).with_error_message(None),
                Err(refusal) => {
                    response.with_error_code(refusal.code()).with_error_message(refusal.text())
                }
            }
        });
        TopicResponse::default().with_name(asked.name.clone()).with_partitions(partitions.collect())
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producers(
    node: &Node,
    topic: Option<&Topic>,
    index: i32,
) -> Result<Vec<ProducerState>, Refusal> {
    let unknown =
        || Refusal::new(ResponseError::UnknownTopicOrPartition, "There is no such partition.");
    let partition = topic.and_then(|topic| topic.partition(index)).ok_or_else(unknown)?;
    let Some(state) = partition.view.state() else {
        let message = format!("The log of {} is not open.", partition.name);
        return Err(Refusal::new(ResponseError::NotLeaderOrFollower, message));
    };
    let read = node.log_reader.producer_states(&partition.view, &state);
    let mut states = read.map_err(|error| unreadable(partition, &error))?;
    states.expire(now_ms());
    Ok(states.iter().map(|(id, producer)| described(id.get(), producer)).collect())
}

fn unreadable(partition: &Partition, error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::Gone { .. } => ResponseError::NotLeaderOrFollower,
        _ => {
            tracing::warn!("{}: cannot read its producers: {error}", partition.name);
            ResponseError::KafkaStorageError
        }
    };
    Refusal::new(code, error.to_string())
}

fn described(id: i64, producer: &KnownProducer) -> ProducerState {
    let open_since = producer.open_transaction.map_or(NONE, |offset| offset.get());
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(i32::from(producer.epoch.get()))
        .with_last_sequence(producer.last_batch.map_or(NO_SEQUENCE, |batch| batch.last_sequence))
        .with_last_timestamp(producer.timestamp_ms)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(open_since)
}

const NONE: i64 = -1;
const NO_SEQUENCE: i32 = -1;

#[cfg(test)]
mod tests;
