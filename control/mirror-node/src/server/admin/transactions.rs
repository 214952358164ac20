//! ListTransactions (key 66) and DescribeTransactions (65): this node coordinates none.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse,
};

/// There are none; states that Kafka does not have are named, as a stock broker does.
pub(super) fn list(asked: &ListTransactionsRequest) -> ListTransactionsResponse {
    let filters = asked.state_filters.iter();
    let unknown = filters.filter(|state| !STATES.contains(&state.as_str())).cloned();
    ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect())
}

/// None of them is known.
pub(super) fn describe(asked: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let unknown = |id| {
        TransactionState::default()
            .with_error_code(ResponseError::TransactionalIdNotFound.code())
            .with_transactional_id(id)
    };
    let states = asked.transactional_ids.into_iter().map(unknown);
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

/// The states a transaction can be in (`TransactionState` in Apache Kafka).
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];
