//! Requests that write records, and those of producers before they do.

use std::sync::Arc;

use kafka_protocol::messages::RequestKind;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::request::Request;

pub(super) mod transactions;

/// Answers a request of the family `Writes`.
pub(super) async fn answer(_node: &Arc<Node>, request: Request) -> Answer {
    match request.body {
        RequestKind::AddPartitionsToTxn(asked) => transactions::add_partitions(asked).into(),
        RequestKind::AddOffsetsToTxn(_) => transactions::add_offsets().into(),
        RequestKind::EndTxn(_) => transactions::end().into(),
        RequestKind::TxnOffsetCommit(asked) => transactions::commit_offsets(asked).into(),
        other => Answer::Close { reason: format!("{other:?} does not write") },
    }
}
