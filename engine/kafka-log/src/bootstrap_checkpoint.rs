//! The first records of a new cluster, `bootstrap.checkpoint`: how topics get our ids, epochs and
//! directories when a stock broker starts on our files.
//!
//! ```text
//!  offset 0     control batch   SNAPSHOT_HEADER
//!  offset 1..   data batches    feature levels, then per topic: topic, configs, partitions;
//!                               access control lists, producer ids last
//!  last offset  control batch   SNAPSHOT_FOOTER
//! ```
//! Source: `BootstrapDirectory`, `BatchFileReader` in Apache Kafka.

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::metadata_record::{
    AccessControlEntryRecord, ConfigResource, DirectoryId, MetadataRecord, PartitionRecord,
    SNAPSHOT_FOOTER_KIND, SNAPSHOT_FOOTER_VALUE, SNAPSHOT_HEADER_KIND, SNAPSHOT_HEADER_VALUE,
};
use kafka_wire::offset::{Offset, OffsetDelta};
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId, TopicName};
use kafka_wire::producer::ProducerId;

/// Name of the file in the directory of the metadata log.
pub const FILE_NAME: &str = "bootstrap.checkpoint";
/// Name of the feature that every cluster has.
pub const METADATA_VERSION: &str = "metadata.version";
/// Records in one data batch.
pub const BATCH_RECORDS_MAX: usize = 500;

/// What a new cluster shall know when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapCheckpoint {
    /// Level of `metadata.version`; one that the broker's release considers stable.
    pub metadata_version: i16,
    /// Levels of other features, by name. Never `eligible.leader.replicas.version`: with it the
    /// first registration of the broker would count as an unclean shutdown.
    pub features: Vec<(String, i16)>,
    /// Topics.
    pub topics: Vec<BootstrapTopic>,
    /// Who may do what; only numbers that the broker's release knows.
    pub acls: Vec<AccessControlEntryRecord>,
    /// First producer id to hand out; above every id in mirrored batches.
    pub next_producer_id: Option<ProducerId>,
}

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id, as in every `partition.metadata`.
    pub id: TopicId,
    /// Configuration, key and value.
    pub configs: Vec<(String, String)>,
    /// Its partitions.
    pub partitions: Vec<BootstrapPartition>,
}

/// A partition; all replicas are in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapPartition {
    /// Its index.
    pub index: PartitionIndex,
    /// Brokers that hold it, each with its log directory; the first one leads. At least one.
    pub replicas: Vec<(BrokerId, DirectoryId)>,
    /// Epoch of the leader: above every epoch in the log.
    pub leader_epoch: LeaderEpoch,
}

impl BootstrapCheckpoint {
    /// Contents of the file.
    ///
    /// # Panics
    /// When a partition has no replicas.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let header = |base| control(base, SNAPSHOT_HEADER_KIND, &SNAPSHOT_HEADER_VALUE);
        let mut file = header(Offset::ZERO);
        let mut base = Offset::ZERO.next();
        for records in self.records().chunks(BATCH_RECORDS_MAX) {
            let mut batch = BatchBuilder::new(base, EPOCH);
            for record in records {
                let value = record.encode();
                batch.push(&NewRecord { timestamp_ms: 0, key: None, value: Some(&value) });
            }
            file.extend(batch.finish());
            let count = i64::try_from(records.len()).expect("a batch has few records");
            let next = base.checked_add(OffsetDelta::new(count));
            base = next.expect("a file has fewer records than offsets");
        }
        file.extend(control(base, SNAPSHOT_FOOTER_KIND, &SNAPSHOT_FOOTER_VALUE));
        file
    }

    /// The records, in the order in which a controller replays them.
    #[must_use]
    pub fn records(&self) -> Vec<MetadataRecord> {
        let name = METADATA_VERSION.to_owned();
        let mut records = vec![MetadataRecord::FeatureLevel { name, level: self.metadata_version }];
        for (name, level) in &self.features {
            records.push(MetadataRecord::FeatureLevel { name: name.clone(), level: *level });
        }
        for topic in &self.topics {
            topic.push_records(&mut records);
        }
        records.extend(self.acls.iter().cloned().map(MetadataRecord::AccessControlEntry));
        if let Some(next_producer_id) = self.next_producer_id {
            records.push(MetadataRecord::ProducerIds { next_producer_id });
        }
        records
    }
}

impl BootstrapTopic {
    fn push_records(&self, records: &mut Vec<MetadataRecord>) {
        records.push(MetadataRecord::Topic { name: self.name.clone(), topic_id: self.id });
        for (name, value) in &self.configs {
            records.push(MetadataRecord::Config {
                resource: ConfigResource::Topic(self.name.clone()),
                name: name.clone(),
                value: Some(value.clone()),
            });
        }
        for partition in &self.partitions {
            records.push(MetadataRecord::Partition(PartitionRecord {
                partition: partition.index,
                topic_id: self.id,
                replicas: partition.replicas.clone(),
                leader_epoch: partition.leader_epoch,
            }));
        }
    }
}

fn control(base: Offset, kind: i16, value: &[u8]) -> Vec<u8> {
    BatchBuilder::control(base, EPOCH, kind, value, 0).finish()
}

/// Snapshots carry epoch 0.
const EPOCH: Option<SourceLeaderEpoch> = Some(SourceLeaderEpoch::ZERO);

#[cfg(test)]
mod tests;
