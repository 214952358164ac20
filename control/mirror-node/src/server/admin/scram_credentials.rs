//! DescribeUserScramCredentials (key 50) and AlterUserScramCredentials (51): nobody logs in here.

use std::collections::BTreeSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_response as altered;
use kafka_protocol::messages::describe_user_scram_credentials_response as described;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

/// There are none; a user asked for by name is not found, as with a stock broker.
pub(super) fn describe(
    asked: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let missing = |user: &StrBytes| {
        described::DescribeUserScramCredentialsResult::default()
            .with_user(user.clone())
            .with_error_code(ResponseError::ResourceNotFound.code())
            .with_error_message(Some(StrBytes::from_static_str("There is no such user.")))
    };
    let users: BTreeSet<&StrBytes> = asked.users.iter().flatten().map(|user| &user.name).collect();
    DescribeUserScramCredentialsResponse::default()
        .with_error_message(None)
        .with_results(users.into_iter().map(missing).collect())
}

/// Refuses each user once.
pub(super) fn alter(asked: &AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let upserted = asked.upsertions.iter().map(|upsertion| &upsertion.name);
    let users: BTreeSet<&StrBytes> =
        asked.deletions.iter().map(|deletion| &deletion.name).chain(upserted).collect();
    let refused = |user: &StrBytes| {
        altered::AlterUserScramCredentialsResult::default()
            .with_user(user.clone())
            .with_error_code(ResponseError::SecurityDisabled.code())
            .with_error_message(Some(StrBytes::from_static_str("This node has no users.")))
    };
    AlterUserScramCredentialsResponse::default()
        .with_results(users.into_iter().map(refused).collect())
}
