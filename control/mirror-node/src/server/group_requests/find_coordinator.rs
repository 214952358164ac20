//! FindCoordinator (key 10): this node, for groups; transactions have none.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::text;
use crate::node::Node;
use crate::server::refusal::Refusal;
use crate::server::writes::transactions;

/// Says who coordinates each group.
pub(super) fn find(
    node: &Node,
    asked: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let mut response = FindCoordinatorResponse::default();
    if version >= BATCHED {
        let keys = asked.coordinator_keys.into_iter();
        let coordinators = keys.map(|key| coordinator(node, key, asked.key_type));
        return response.with_coordinators(coordinators.collect());
    }
    let found = coordinator(node, asked.key, asked.key_type);
    response.error_code = found.error_code;
    response.error_message = found.error_message;
    response.node_id = found.node_id;
    response.host = found.host;
    response.port = found.port;
    response
}

fn coordinator(node: &Node, key: StrBytes, key_type: i8) -> Coordinator {
    let found = Coordinator::default().with_key(key);
    let refusal = match key_type {
        GROUP => {
            let identity = &node.identity;
            return found
                .with_node_id(BrokerId(identity.node_id.get()))
                .with_host(text(identity.host.clone()))
                .with_port(i32::from(identity.port))
                .with_error_message(None);
        }
        TRANSACTION => {
            Refusal::new(transactions::REFUSED, "this node does not coordinate transactions")
        }
        other => Refusal::invalid_request(format!("there is no coordinator of type {other}")),
    };
    found
        .with_node_id(BrokerId(NOBODY))
        .with_port(NOBODY)
        .with_error_code(refusal.code())
        .with_error_message(refusal.text())
}

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const NOBODY: i32 = -1;
/// First version that asks for many at once.
const BATCHED: i16 = 4;
