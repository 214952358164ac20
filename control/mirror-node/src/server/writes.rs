//! Requests that write records, and those of producers before they do.

use std::sync::Arc;

use kafka_protocol::messages::RequestKind;

use crate::local_topics::keeper::now_ms;
use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::request::Request;

mod init_producer_id;
mod produce;
pub(super) mod transactions;

/// Answers a request of the family `Writes`.
pub(super) async fn answer(node: &Arc<Node>, request: Request) -> Answer {
    let node = Arc::clone(node);
    match request.body {
        RequestKind::Produce(asked) => {
            let version = request.head.api_version;
            blocking(move || produce::produce(&node, &asked, version, now_ms())).await
        }
        RequestKind::InitProducerId(asked) => {
            blocking(move || init_producer_id::init(&node, &asked).into()).await
        }
        RequestKind::AddPartitionsToTxn(asked) => transactions::add_partitions(asked).into(),
        RequestKind::AddOffsetsToTxn(_) => transactions::add_offsets().into(),
        RequestKind::EndTxn(_) => transactions::end().into(),
        RequestKind::TxnOffsetCommit(asked) => transactions::commit_offsets(asked).into(),
        other => Answer::Close { reason: format!("{other:?} does not write") },
    }
}

/// Answers from a thread that may wait for the disk.
pub(super) async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Answer::Close { reason: format!("cannot answer: {error}") },
    }
}
