//! Requests whose answers say what we may do at the source.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeAclsRequest, DescribeGroupsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::TopicName;
use mirror_coordinator::acl::{AclOperation, AclPattern, AclResource, CLUSTER_NAME};

use super::acls::{ANY, DESCRIBE_ACLS_NEWEST};
use super::{CONFIGS_PER_REQUEST, METADATA_NEWEST, SourceClient, wire_name};
use crate::source_connection::SourceError;

/// What a source says of a topic that it was asked about by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedTopic {
    /// Protocol error code.
    pub(crate) error_code: i16,
    /// What we may do, a bit for each operation; `None` when the source does not tell.
    pub(crate) operations: Option<i32>,
}

impl NamedTopic {
    /// True when we may not know whether it is there.
    pub(crate) const fn is_denied(self) -> bool {
        self.error_code == TOPIC_AUTHORIZATION_FAILED
    }

    /// True when it is not there.
    pub(crate) const fn is_gone(self) -> bool {
        self.error_code == UNKNOWN_TOPIC_OR_PARTITION
    }

    /// True when we may know of it and may not do this with it.
    pub(crate) fn lacks(self, operation: AclOperation) -> bool {
        let bit = 1 << operation.number();
        let denied = self.operations.filter(|operations| operations & bit == 0);
        self.error_code == 0 && denied.is_some()
    }
}

impl SourceClient {
    /// Asks for topics by name, which tells those that are not there from those that we may not
    /// know of.
    ///
    /// # Errors
    /// When no broker answers.
    pub(crate) async fn topics_named(
        &mut self,
        names: &BTreeSet<TopicName>,
    ) -> Result<BTreeMap<TopicName, NamedTopic>, SourceError> {
        let names: Vec<&TopicName> = names.iter().collect();
        let mut told = BTreeMap::new();
        for some in names.chunks(CONFIGS_PER_REQUEST) {
            let at_source = some.iter().filter_map(|name| self.prefix().name_at_source(name));
            let topics = at_source
                .map(|name| MetadataRequestTopic::default().with_name(Some(wire_name(&name))));
            let request = MetadataRequest::default()
                .with_topics(Some(topics.collect()))
                .with_allow_auto_topic_creation(false);
            let with_operations = request.clone().with_include_topic_authorized_operations(true);
            let response = match self.call_any(&with_operations, METADATA_NEWEST).await {
                // Before 2.3 nobody could be asked for them.
                Err(_) => self.call_any(&request, METADATA_NEWEST).await?,
                Ok(response) => response,
            };
            for topic in response.topics {
                let here = topic.name.and_then(|name| self.prefix().name_here(&name).ok());
                let operations = topic.topic_authorized_operations;
                let operations = Some(operations).filter(|operations| *operations != NOT_TOLD);
                let error_code = topic.error_code;
                told.extend(here.map(|here| (here, NamedTopic { error_code, operations })));
            }
        }
        Ok(told)
    }

    /// Those of the groups whose offsets we may not see.
    ///
    /// # Errors
    /// When no broker answers.
    pub(crate) async fn denied_groups(
        &mut self,
        groups: &[&str],
    ) -> Result<Vec<String>, SourceError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let named = groups.iter().map(|group| StrBytes::from_string((*group).to_owned()).into());
        let request = DescribeGroupsRequest::default().with_groups(named.collect());
        let response = self.call_any(&request, DESCRIBE_GROUPS_NEWEST).await?;
        let denied =
            response.groups.into_iter().filter(|one| one.error_code == GROUP_AUTHORIZATION_FAILED);
        Ok(denied.map(|one| one.group_id.to_string()).collect())
    }

    /// True when we may not see access control lists.
    ///
    /// # Errors
    /// When no broker answers.
    pub(crate) async fn denies_acls(&mut self) -> Result<bool, SourceError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(AclResource::Cluster.number())
            .with_resource_name_filter(Some(StrBytes::from_static_str(CLUSTER_NAME)))
            .with_pattern_type_filter(AclPattern::Literal.number())
            .with_operation(ANY)
            .with_permission_type(ANY);
        let response = self.call_any(&request, DESCRIBE_ACLS_NEWEST).await?;
        Ok(response.error_code == CLUSTER_AUTHORIZATION_FAILED)
    }
}

const DESCRIBE_GROUPS_NEWEST: i16 = 5;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const GROUP_AUTHORIZATION_FAILED: i16 = 30;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
/// `authorized_operations` that were not asked for, or are not known.
const NOT_TOLD: i32 = i32::MIN;
