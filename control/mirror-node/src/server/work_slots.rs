//! How many requests of a kind are worked on at one time. Those that wait for the disk or for each
//! other would otherwise take all threads that may block, and readers would find none.

use std::sync::Arc;

use kafka_protocol::messages::ApiKey;
use kafka_wire::mirror_api::MirrorApiKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::api::AskedApi;
use crate::server::limits::{
    ADMINISTRATION_AT_ONCE, GROUP_LOOKS_AT_ONCE, MIRROR_REQUESTS_AT_ONCE, MIRROR_STARTS_AT_ONCE,
    OFFSET_SEARCHES_AT_ONCE, PRODUCES_AT_ONCE,
};

/// Places for requests, kind by kind.
#[derive(Clone, Debug)]
pub(super) struct WorkSlots {
    produces: Arc<Semaphore>,
    offset_searches: Arc<Semaphore>,
    administration: Arc<Semaphore>,
    group_looks: Arc<Semaphore>,
    mirror_requests: Arc<Semaphore>,
    mirror_starts: Arc<Semaphore>,
}

impl WorkSlots {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            produces: places(PRODUCES_AT_ONCE),
            offset_searches: places(OFFSET_SEARCHES_AT_ONCE),
            administration: places(ADMINISTRATION_AT_ONCE),
            group_looks: places(GROUP_LOOKS_AT_ONCE),
            mirror_requests: places(MIRROR_REQUESTS_AT_ONCE),
            mirror_starts: places(MIRROR_STARTS_AT_ONCE),
        }
    }

    /// Takes the place of a request, in the order of those who ask; nothing for those that are
    /// answered at once, and for fetches and members of groups, which wait for others.
    pub(super) async fn take(&self, asked: Option<AskedApi>) -> Option<OwnedSemaphorePermit> {
        let places = self.places(asked?)?;
        Some(Arc::clone(places).acquire_owned().await.expect("places are never closed"))
    }

    fn places(&self, asked: AskedApi) -> Option<&Arc<Semaphore>> {
        let key = match asked {
            AskedApi::Kafka(key) => key,
            // What waits for a source is not to keep anybody from stopping.
            AskedApi::Mirror(MirrorApiKey::StartMirrorTopics) => return Some(&self.mirror_starts),
            AskedApi::Mirror(_) => return Some(&self.mirror_requests),
        };
        Some(match key {
            ApiKey::Produce => &self.produces,
            ApiKey::ListOffsets => &self.offset_searches,
            key if administers(key) => &self.administration,
            ApiKey::OffsetFetch
            | ApiKey::ListGroups
            | ApiKey::DescribeGroups
            | ApiKey::ConsumerGroupDescribe
            | ApiKey::ShareGroupDescribe
            | ApiKey::DescribeShareGroupOffsets => &self.group_looks,
            _ => return None,
        })
    }
}

/// True for what changes topics, or looks at their directories.
pub(super) fn administers(key: ApiKey) -> bool {
    matches!(
        key,
        ApiKey::CreateTopics
            | ApiKey::DeleteTopics
            | ApiKey::CreatePartitions
            | ApiKey::DeleteRecords
            | ApiKey::AlterConfigs
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::DescribeLogDirs
            | ApiKey::DescribeProducers
    )
}

#[cfg(test)]
mod tests;
