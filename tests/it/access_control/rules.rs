//! Rules in few words, made and removed as any client does it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;

use crate::raw_client::RawClient;

/// A rule; numbers as the protocol has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) resource: i8,
    pub(crate) name: &'static str,
    pub(crate) pattern: i8,
    pub(crate) principal: &'static str,
    pub(crate) host: &'static str,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

/// Lets everybody without a name do something, from anywhere.
pub(crate) const fn allow(operation: i8, resource: i8, name: &'static str) -> Rule {
    let (principal, host) = ("User:ANONYMOUS", "*");
    Rule { resource, name, pattern: LITERAL, principal, host, operation, permission: ALLOW }
}

impl Rule {
    pub(crate) const fn denied(self) -> Self {
        Self { permission: DENY, ..self }
    }

    pub(crate) const fn prefixed(self) -> Self {
        Self { pattern: PREFIXED, ..self }
    }

    pub(crate) const fn coming_from(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub(crate) const fn to(self, principal: &'static str) -> Self {
        Self { principal, ..self }
    }
}

/// Makes rules, each of which must be taken.
pub(crate) fn create(client: &mut RawClient, rules: &[Rule]) -> Result<()> {
    let creations = rules.iter().map(|rule| {
        AclCreation::default()
            .with_resource_type(rule.resource)
            .with_resource_name(StrBytes::from_static_str(rule.name))
            .with_resource_pattern_type(rule.pattern)
            .with_principal(StrBytes::from_static_str(rule.principal))
            .with_host(StrBytes::from_static_str(rule.host))
            .with_operation(rule.operation)
            .with_permission_type(rule.permission)
    });
    let answer =
        client.ask(&CreateAclsRequest::default().with_creations(creations.collect()), 3)?;
    ensure!(answer.results.iter().all(|result| result.error_code == 0), "{rules:?}: {answer:?}");
    Ok(())
}

/// Removes rules; says how many there were.
pub(crate) fn delete(client: &mut RawClient, rules: &[Rule]) -> Result<usize> {
    let text = |text| Some(StrBytes::from_static_str(text));
    let filters = rules.iter().map(|rule| {
        DeleteAclsFilter::default()
            .with_resource_type_filter(rule.resource)
            .with_resource_name_filter(text(rule.name))
            .with_pattern_type_filter(rule.pattern)
            .with_principal_filter(text(rule.principal))
            .with_host_filter(text(rule.host))
            .with_operation(rule.operation)
            .with_permission_type(rule.permission)
    });
    let answer = client.ask(&DeleteAclsRequest::default().with_filters(filters.collect()), 3)?;
    ensure!(answer.filter_results.iter().all(|result| result.error_code == 0), "{answer:?}");
    Ok(answer.filter_results.iter().map(|result| result.matching_acls.len()).sum())
}

/// All rules, in words.
pub(crate) fn list(client: &mut RawClient) -> Result<BTreeSet<String>> {
    let any = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let answer = client.ask(&any, 3)?;
    ensure!(answer.error_code == 0, "{answer:?}");
    let mut rules = BTreeSet::new();
    for resource in &answer.resources {
        for acl in &resource.acls {
            rules.insert(format!(
                "{} {} {} {} {} {} {}",
                resource.resource_type,
                resource.resource_name,
                resource.pattern_type,
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission_type
            ));
        }
    }
    Ok(rules)
}

pub(crate) const TOPIC: i8 = 2;
pub(crate) const GROUP: i8 = 3;
pub(crate) const CLUSTER: i8 = 4;
pub(crate) const TRANSACTIONAL_ID: i8 = 5;
pub(crate) const ALL: i8 = 2;
pub(crate) const READ: i8 = 3;
pub(crate) const WRITE: i8 = 4;
pub(crate) const CREATE: i8 = 5;
pub(crate) const DELETE: i8 = 6;
pub(crate) const ALTER: i8 = 7;
pub(crate) const DESCRIBE: i8 = 8;
pub(crate) const CLUSTER_ACTION: i8 = 9;
pub(crate) const DESCRIBE_CONFIGS: i8 = 10;
pub(crate) const ALTER_CONFIGS: i8 = 11;
pub(crate) const IDEMPOTENT_WRITE: i8 = 12;
pub(crate) const THE_CLUSTER: &str = "kafka-cluster";
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;
