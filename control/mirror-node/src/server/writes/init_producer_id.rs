//! InitProducerId (key 22): an id for an idempotent producer.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::node::Node;
use crate::producer_ids::ProducerIdError;
use crate::server::writes::transactions;

/// Answers with an id nobody has, in its first epoch: also a producer that has one already starts
/// anew so. Waits for the disk.
pub(super) fn init(node: &Node, asked: &InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |error: ResponseError| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(NO_PRODUCER))
            .with_producer_epoch(NO_EPOCH)
    };
    match &asked.transactional_id {
        Some(id) if id.is_empty() => return refused(ResponseError::InvalidRequest),
        Some(_) => return refused(transactions::REFUSED),
        None => {}
    }
    let Some(writes) = &node.writes else { return refused(ResponseError::PolicyViolation) };
    match writes.producer_ids.next_id() {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id.get()))
            .with_producer_epoch(FIRST_EPOCH),
        Err(error) => {
            if !matches!(error, ProducerIdError::Searching) {
                tracing::warn!("no producer id: {error}");
            }
            refused(code(&error))
        }
    }
}

const fn code(error: &ProducerIdError) -> ResponseError {
    match error {
        ProducerIdError::Searching => ResponseError::CoordinatorLoadInProgress,
        ProducerIdError::Directory(_) | ProducerIdError::Log(_) => {
            ResponseError::CoordinatorNotAvailable
        }
        ProducerIdError::UsedUp { .. } => ResponseError::PolicyViolation,
    }
}

const NO_PRODUCER: i64 = -1;
const NO_EPOCH: i16 = -1;
const FIRST_EPOCH: i16 = 0;

#[cfg(test)]
mod tests;
