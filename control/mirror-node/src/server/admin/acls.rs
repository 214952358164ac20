//! DescribeAcls (key 29), CreateAcls (30), DeleteAcls (31).

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl,
};
use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;
use mirror_coordinator::acl::acl_filter::{AclFilter, RawAclFilter};
use mirror_coordinator::acl::acl_table::AclTable;
use mirror_coordinator::acl::{AclBinding, AclPattern, AclRefusal, AclResource, RawAcl};

use crate::acl_store::{AclStore, AclStoreError};
use crate::node::Node;
use crate::server::refusal::Refusal;

/// Tells the rules that are meant, by what they are about.
pub(super) fn describe(node: &Node, asked: &DescribeAclsRequest) -> DescribeAclsResponse {
    let response = DescribeAclsResponse::default();
    let described = store(node, NO_AUTHORIZER_ON_BROKER).and_then(|store| {
        let filter = AclFilter::parse(&RawAclFilter {
            resource: asked.resource_type_filter,
            name: asked.resource_name_filter.as_deref(),
            pattern: asked.pattern_type_filter,
            principal: asked.principal_filter.as_deref(),
            host: asked.host_filter.as_deref(),
            operation: asked.operation,
            permission: asked.permission_type,
        })?;
        Ok(resources(store.current().table.matching(&filter)))
    });
    match described {
        Ok(resources) => response.with_resources(resources),
        Err(refusal) => response.with_error_code(refusal.code()).with_error_message(refusal.text()),
    }
}

fn resources<'a>(acls: impl Iterator<Item = &'a AclBinding>) -> Vec<DescribeAclsResource> {
    let mut by_resource: BTreeMap<_, Vec<AclDescription>> = BTreeMap::new();
    for acl in acls {
        let of_resource = by_resource.entry((acl.resource, &acl.name, acl.pattern)).or_default();
        of_resource.push(
            AclDescription::default()
                .with_principal(text(&acl.principal))
                .with_host(text(&acl.host))
                .with_operation(acl.operation.number())
                .with_permission_type(acl.permission.number()),
        );
    }
    let resource = |((resource, name, pattern), acls): ((AclResource, &String, AclPattern), _)| {
        DescribeAclsResource::default()
            .with_resource_type(resource.number())
            .with_resource_name(text(name))
            .with_pattern_type(pattern.number())
            .with_acls(acls)
    };
    by_resource.into_iter().map(resource).collect()
}

/// Makes the rules that can be made; those that are there already stay. Waits for the disk.
pub(super) fn create(node: &Node, asked: &CreateAclsRequest) -> CreateAclsResponse {
    let parsed = |acl: &AclCreation| {
        AclBinding::parse(&RawAcl {
            resource: acl.resource_type,
            name: &acl.resource_name,
            pattern: acl.resource_pattern_type,
            principal: &acl.principal,
            host: &acl.host,
            operation: acl.operation,
            permission: acl.permission_type,
        })
    };
    let created = store(node, NO_AUTHORIZER).and_then(|store| {
        let create = |table: &mut AclTable| {
            let acls = asked.creations.iter().map(parsed);
            acls.map(|acl| table.create(acl?).map(|_| ())).collect::<Vec<_>>()
        };
        Ok(store.change(create)?)
    });
    let results = match created {
        Ok(outcomes) => outcomes
            .into_iter()
            .map(|outcome| {
                outcome.map_or_else(
                    |refusal| not_created(&refusal.into()),
                    |()| AclCreationResult::default().with_error_message(None),
                )
            })
            .collect(),
        Err(refusal) => vec![not_created(&refusal); asked.creations.len()],
    };
    CreateAclsResponse::default().with_results(results)
}

fn not_created(refusal: &Refusal) -> AclCreationResult {
    AclCreationResult::default().with_error_code(refusal.code()).with_error_message(refusal.text())
}

/// Deletes the rules that are meant, and tells which those were. Waits for the disk.
pub(super) fn delete(node: &Node, asked: &DeleteAclsRequest) -> DeleteAclsResponse {
    let parsed = |filter: &DeleteAclsFilter| {
        AclFilter::parse(&RawAclFilter {
            resource: filter.resource_type_filter,
            name: filter.resource_name_filter.as_deref(),
            pattern: filter.pattern_type_filter,
            principal: filter.principal_filter.as_deref(),
            host: filter.host_filter.as_deref(),
            operation: filter.operation,
            permission: filter.permission_type,
        })
    };
    let deleted = store(node, NO_AUTHORIZER).and_then(|store| {
        let delete = |table: &mut AclTable| {
            let filters = asked.filters.iter().map(parsed);
            filters.map(|filter| filter.map(|filter| table.delete(&filter))).collect::<Vec<_>>()
        };
        Ok(store.change(delete)?)
    });
    let results = match deleted {
        Ok(outcomes) => outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(gone) => DeleteAclsFilterResult::default()
                    .with_error_message(None)
                    .with_matching_acls(gone.iter().map(was_deleted).collect()),
                Err(refusal) => not_deleted(&refusal.into()),
            })
            .collect(),
        Err(refusal) => vec![not_deleted(&refusal); asked.filters.len()],
    };
    DeleteAclsResponse::default().with_filter_results(results)
}

fn was_deleted(acl: &AclBinding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(acl.resource.number())
        .with_resource_name(text(&acl.name))
        .with_pattern_type(acl.pattern.number())
        .with_principal(text(&acl.principal))
        .with_host(text(&acl.host))
        .with_operation(acl.operation.number())
        .with_permission_type(acl.permission.number())
}

fn not_deleted(refusal: &Refusal) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult::default()
        .with_error_code(refusal.code())
        .with_error_message(refusal.text())
}

/// The rules of a node with an authorizer.
fn store<'a>(node: &'a Node, without: &str) -> Result<&'a AclStore, Refusal> {
    let authorization = node.authorization.as_ref();
    let disabled = || Refusal::new(ResponseError::SecurityDisabled, without);
    Ok(authorization.ok_or_else(disabled)?.directory.acls())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl From<AclRefusal> for Refusal {
    fn from(refusal: AclRefusal) -> Self {
        let code = match refusal {
            AclRefusal::TooMany { .. } => ResponseError::PolicyViolation,
            _ => ResponseError::InvalidRequest,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<AclStoreError> for Refusal {
    fn from(error: AclStoreError) -> Self {
        tracing::error!("{error}");
        Self::new(ResponseError::KafkaStorageError, error.to_string())
    }
}

const NO_AUTHORIZER_ON_BROKER: &str = "No Authorizer is configured on the broker";
/// In the words of a controller, which changes ACLs; those of a broker are others.
const NO_AUTHORIZER: &str = "No Authorizer is configured.";
