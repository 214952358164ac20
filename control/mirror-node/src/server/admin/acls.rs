//! DescribeAcls (key 29), CreateAcls (30), DeleteAcls (31): there is no authorizer to ask.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

/// Answers as a stock broker without an authorizer.
pub(super) fn describe() -> DescribeAclsResponse {
    let reason = StrBytes::from_static_str("No Authorizer is configured on the broker");
    DescribeAclsResponse::default().with_error_code(DISABLED).with_error_message(Some(reason))
}

/// Refuses each.
pub(super) fn create(asked: &CreateAclsRequest) -> CreateAclsResponse {
    let refused =
        |_: &_| AclCreationResult::default().with_error_code(DISABLED).with_error_message(reason());
    CreateAclsResponse::default().with_results(asked.creations.iter().map(refused).collect())
}

/// Refuses each.
pub(super) fn delete(asked: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = |_: &_| {
        DeleteAclsFilterResult::default().with_error_code(DISABLED).with_error_message(reason())
    };
    DeleteAclsResponse::default().with_filter_results(asked.filters.iter().map(refused).collect())
}

/// In the words of a controller, which changes ACLs; those of a broker are others.
fn reason() -> Option<StrBytes> {
    Some(StrBytes::from_static_str("No Authorizer is configured."))
}

const DISABLED: i16 = ResponseError::SecurityDisabled.code();
