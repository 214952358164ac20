//! The access control lists of a source.

use std::collections::BTreeSet;

use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use mirror_coordinator::acl::mirrored_acls::named_here;
use mirror_coordinator::acl::{AclBinding, RawAcl};

use super::SourceClient;
use crate::source_connection::{SourceError, error_name};

/// What a source tells of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceAcls {
    /// Nobody decides there, and there are none (`SECURITY_DISABLED`).
    NoAuthorizer,
    /// All of them.
    Rules {
        /// Those that mean something here.
        acls: BTreeSet<AclBinding>,
        /// The others, each with the reason, for people.
        unknown: Vec<String>,
    },
}

impl SourceClient {
    /// Asks for all rules; any broker can answer.
    ///
    /// # Errors
    /// When no broker answers, or the one that does refuses.
    pub(crate) async fn acls(&mut self) -> Result<SourceAcls, SourceError> {
        let any = DescribeAclsRequest::default()
            .with_resource_type_filter(ANY)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let response = self.call_any(&any, DESCRIBE_ACLS_NEWEST).await?;
        match response.error_code {
            0 => Ok(parsed(&response, self.prefix().as_str())),
            SECURITY_DISABLED => Ok(SourceAcls::NoAuthorizer),
            code => Err(SourceError::Refused {
                address: "the source".to_owned(),
                request: "DescribeAcls, which takes Describe on the cluster".to_owned(),
                error: error_name(code),
                code,
            }),
        }
    }
}

/// The rules under the names that topics have here.
fn parsed(response: &DescribeAclsResponse, prefix: &str) -> SourceAcls {
    let (mut acls, mut unknown) = (BTreeSet::new(), Vec::new());
    for resource in &response.resources {
        for acl in &resource.acls {
            let raw = RawAcl {
                resource: resource.resource_type,
                name: &resource.resource_name,
                pattern: resource.pattern_type,
                principal: &acl.principal,
                host: &acl.host,
                operation: acl.operation,
                permission: acl.permission_type,
            };
            match AclBinding::parse(&raw) {
                Ok(acl) => {
                    acls.insert(named_here(acl, prefix));
                }
                Err(refusal) => unknown.push(format!(
                    "a rule for {:?} on {:?} means nothing here: {refusal}",
                    acl.principal.as_str(),
                    resource.resource_name.as_str()
                )),
            }
        }
    }
    SourceAcls::Rules { acls, unknown }
}

/// `ResourceType.ANY`, and so for patterns, operations and permissions.
pub(super) const ANY: i8 = 1;
pub(super) const DESCRIBE_ACLS_NEWEST: i16 = 3;
const SECURITY_DISABLED: i16 = 54;

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    #[test]
    fn rules_with_unknown_numbers_are_told_and_the_others_taken() {
        let acl = |operation| {
            AclDescription::default()
                .with_principal(StrBytes::from_static_str("User:ada"))
                .with_host(StrBytes::from_static_str("*"))
                .with_operation(operation)
                .with_permission_type(3)
        };
        let resource = |kind, operations: &[i8]| {
            DescribeAclsResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_static_str("orders"))
                .with_pattern_type(3)
                .with_acls(operations.iter().map(|number| acl(*number)).collect())
        };
        let response = DescribeAclsResponse::default()
            .with_resources(vec![resource(2, &[3, 99, 4]), resource(77, &[3])]);
        let SourceAcls::Rules { acls, unknown } = parsed(&response, "a.") else { panic!() };
        let names: Vec<_> = acls.iter().map(|acl| acl.name.as_str()).collect();
        assert_eq!(names, ["a.orders"; 2]);
        assert_eq!(unknown.len(), 2);
        assert!(unknown[0].contains("Invalid operation 99"), "{unknown:?}");
        assert!(unknown[1].contains("Invalid resourceType 77"), "{unknown:?}");
    }
}
