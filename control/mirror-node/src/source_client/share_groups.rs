//! Requests about share groups (KIP-932) to a source.

use kafka_protocol::messages::DescribeShareGroupOffsetsRequest;
use kafka_protocol::messages::describe_share_group_offsets_request as offsets_request;
use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::{BrokerId, TopicName};

use super::SourceClient;
use super::groups::{SourceGroupOffset, SourceGroupOffsets};
use crate::source_connection::SourceError;

impl SourceClient {
    /// True when a broker tells where share groups stand: Apache Kafka does from 4.1 on.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) async fn tells_share_groups(
        &mut self,
        broker: BrokerId,
    ) -> Result<bool, SourceError> {
        let address = self.address_of(broker)?;
        match self.version::<DescribeShareGroupOffsetsRequest>(&address, OFFSETS_NEWEST).await {
            Ok(_) => Ok(true),
            Err(SourceError::NoCommonVersion { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// From where share groups read the topics that `wants` lets pass, by their names here, as the
    /// broker that coordinates the groups tells it.
    ///
    /// # Errors
    /// When the broker cannot be asked; what it refuses of one group is among the answers.
    pub(crate) async fn share_group_offsets(
        &mut self,
        broker: BrokerId,
        groups: &[String],
        wants: &(impl Fn(&TopicName) -> bool + Sync),
    ) -> Result<Vec<SourceGroupOffsets>, SourceError> {
        let address = self.address_of(broker)?;
        let prefix = self.prefix().clone();
        let here = |name: &str| prefix.name_here(name).ok().filter(|name| wants(name));
        let asked = |group: &String| {
            let id = StrBytes::from_string(group.clone()).into();
            offsets_request::DescribeShareGroupOffsetsRequestGroup::default()
                .with_group_id(id)
                .with_topics(None)
        };
        let request = DescribeShareGroupOffsetsRequest::default()
            .with_groups(groups.iter().map(asked).collect());
        let response = self.call(&address, &request, OFFSETS_NEWEST).await?;
        Ok(response.groups.into_iter().map(|group| told(group, &here)).collect())
    }
}

fn told(
    group: DescribeShareGroupOffsetsResponseGroup,
    here: &impl Fn(&str) -> Option<TopicName>,
) -> SourceGroupOffsets {
    let outcome = match group.error_code {
        0 => {
            let named = group
                .topics
                .into_iter()
                .filter_map(|topic| Some((here(&topic.topic_name)?, topic.partitions)));
            Ok(named
                .flat_map(|(name, partitions)| {
                    partitions.into_iter().map(move |one| offset(name.clone(), &one))
                })
                .collect())
        }
        code => Err(code),
    };
    SourceGroupOffsets { group: group.group_id.to_string(), outcome }
}

fn offset(topic: TopicName, one: &DescribeShareGroupOffsetsResponsePartition) -> SourceGroupOffset {
    SourceGroupOffset {
        topic,
        partition: one.partition_index,
        offset: one.start_offset,
        leader_epoch: one.leader_epoch,
        metadata: String::new(),
        error_code: one.error_code,
    }
}

/// Version 1 tells the lag.
const OFFSETS_NEWEST: i16 = 0;
