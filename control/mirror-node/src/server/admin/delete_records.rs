//! DeleteRecords (key 21): where logs start moves on, those that clients write to.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::catalog::Topic;
use crate::node::Node;
use crate::server::refusal::Refusal;

/// Deletes the records before an offset of each partition; -1 means all of them. Waits for the
/// disk.
pub(super) fn delete(node: &Node, asked: &DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = asked.topics.iter().map(|asked| {
        let topic = node.catalog.topic_named(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let (low_watermark, error_code) = match delete_before(topic.as_deref(), partition) {
                Ok(log_start) => (log_start, 0),
                Err(error_code) => (NO_OFFSET, error_code),
            };
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_low_watermark(low_watermark)
                .with_error_code(error_code)
        });
        DeleteRecordsTopicResult::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// Returns where the log starts then, or the code of a refusal: the answer has no room for more.
fn delete_before(topic: Option<&Topic>, asked: &DeleteRecordsPartition) -> Result<i64, i16> {
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let topic = topic.ok_or(unknown)?;
    let partition = topic.partition(asked.partition_index).ok_or(unknown)?;
    let log = partition.log();
    if topic.is_bound() && log.is_none() {
        return Err(Refusal::not_stopped(&topic.name).code());
    }
    if topic.is_internal() {
        return Err(ResponseError::PolicyViolation.code());
    }
    let log = log.ok_or(ResponseError::NotLeaderOrFollower.code())?;
    let log_start = log.delete_records(asked.offset).map_err(|error| error.kafka_error().code())?;
    Ok(log_start.offset().get())
}

const NO_OFFSET: i64 = -1;

#[cfg(test)]
mod tests;
