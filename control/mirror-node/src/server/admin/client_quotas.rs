//! DescribeClientQuotas (key 48) and AlterClientQuotas (49): nobody is held back by a quota here.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::EntryData as AskedEntry;
use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasResponse,
};
use kafka_protocol::protocol::StrBytes;

/// There are none.
pub(super) fn describe() -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse::default().with_entries(Some(Vec::new()))
}

/// Refuses each, also when it would only be validated.
pub(super) fn alter(asked: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let refused = |entry: AskedEntry| {
        let entity = entry.entity.into_iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type)
                .with_entity_name(part.entity_name)
        });
        EntryData::default()
            .with_error_code(ResponseError::InvalidRequest.code())
            .with_error_message(Some(StrBytes::from_static_str("This node has no client quotas.")))
            .with_entity(entity.collect())
    };
    let entries = asked.entries.into_iter().map(refused);
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}
