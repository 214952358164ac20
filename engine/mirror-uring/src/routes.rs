//! Which shard owns which partition.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_wire::partition::TopicIdPartition;

/// Partition to shard; shared by the handle that sends commands and the one that takes reports.
#[derive(Clone, Debug)]
pub(crate) struct Routes(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    routes: HashMap<TopicIdPartition, Route>,
    /// Partitions per shard.
    loads: Vec<usize>,
}

#[derive(Debug)]
struct Route {
    shard: usize,
    /// Adds minus removals: a partition can be added again before its removal is reported.
    added_count: u32,
}

impl Routes {
    /// No partition yet, for `shard_count` shards.
    pub(crate) fn new(shard_count: usize) -> Self {
        Self(Arc::new(Mutex::new(Table { routes: HashMap::new(), loads: vec![0; shard_count] })))
    }

    /// The owner of a partition that is being added: the one it had, or the least loaded.
    ///
    /// Staying with its old owner keeps a removal in progress and the new life in one order.
    pub(crate) fn assign(&self, partition: TopicIdPartition) -> usize {
        let mut table = self.lock();
        let Table { routes, loads } = &mut *table;
        let route = routes.entry(partition).or_insert_with(|| {
            let least = (0..loads.len()).min_by_key(|shard| loads[*shard]);
            let shard = least.expect("an engine has a shard");
            loads[shard] += 1;
            Route { shard, added_count: 0 }
        });
        route.added_count += 1;
        route.shard
    }

    /// Takes back an [`Self::assign`] whose command could not be sent, or that ended in a removal.
    pub(crate) fn removed(&self, partition: &TopicIdPartition) {
        let mut table = self.lock();
        let Some(route) = table.routes.get_mut(partition) else { return };
        route.added_count -= 1;
        if route.added_count == 0 {
            let shard = route.shard;
            table.routes.remove(partition);
            table.loads[shard] -= 1;
        }
    }

    /// The owner of a partition.
    pub(crate) fn owner(&self, partition: &TopicIdPartition) -> Option<usize> {
        self.lock().routes.get(partition).map(|route| route.shard)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::partition::{PartitionIndex, TopicId};

    fn partition(index: i32) -> TopicIdPartition {
        let partition = PartitionIndex::from_wire(index).unwrap();
        TopicIdPartition { topic_id: TopicId::from_wire([7; 16]).unwrap(), partition }
    }

    #[test]
    fn partitions_go_to_the_shard_with_the_fewest() {
        let routes = Routes::new(2);
        let owners: Vec<usize> = (0..4).map(|index| routes.assign(partition(index))).collect();
        assert_eq!(owners, [0, 1, 0, 1]);
        routes.removed(&partition(1));
        assert_eq!(routes.assign(partition(4)), 1);
    }

    #[test]
    fn a_partition_added_again_before_its_removal_keeps_its_shard() {
        let routes = Routes::new(2);
        assert_eq!(routes.assign(partition(0)), 0);
        assert_eq!(routes.assign(partition(0)), 0);
        routes.removed(&partition(0));
        assert_eq!(routes.owner(&partition(0)), Some(0));
        routes.removed(&partition(0));
        assert_eq!(routes.owner(&partition(0)), None);
    }
}
