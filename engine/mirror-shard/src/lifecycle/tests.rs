use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::PartitionLog;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, TopicId, TopicIdPartition, TopicName, TopicPartition,
};

use crate::bridge::{DivergencePolicy, NewPartition};
use crate::mirror_partition::{MirrorPartition, RolledSegment};

fn spec() -> NewPartition {
    let partition = PartitionIndex::from_wire(0).unwrap();
    NewPartition {
        id: TopicIdPartition { topic_id: TopicId::from_wire([7; 16]).unwrap(), partition },
        name: TopicPartition { topic: TopicName::parse("topic").unwrap(), partition },
        source_has_topic_ids: true,
        leader: BrokerId::from_wire(1).unwrap(),
        source_epoch: None,
        leader_epoch: LeaderEpoch::ZERO,
        log_config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        on_divergence: DivergencePolicy::Fail,
    }
}

/// Found by fuzzing: a rolled segment was finished during the pause before a reload, which then
/// met a partition whose files were in use.
#[test]
fn a_log_dropped_for_a_reload_leaves_no_segment_to_finish() {
    let mut partition = MirrorPartition::new(spec());
    partition.log = Some(PartitionLog::empty(LogConfig::default(), Offset::ZERO));
    partition.closing.push_back(RolledSegment { closed: None, end: Offset::ZERO });
    partition.drop_log();
    assert!(partition.closing.is_empty());
    assert!(partition.log.is_none());
}
