//! Descriptions of mirrors for tests, and a node that tells them.

use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribedMirror, DescribedPartition, DescribedTopic,
};

/// A partition that nothing more is known of.
pub(crate) fn partition(index: i32, state: &str, source: i64, here: i64) -> DescribedPartition {
    DescribedPartition {
        partition_index: index,
        state_value: state.to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset: source,
        destination_offset: here,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        lag_ms: -1,
        measured_age_ms: -1,
    }
}

/// A partition whose lag was measured.
pub(crate) fn measured(
    partition: DescribedPartition,
    lag_ms: i64,
    measured_age_ms: i64,
) -> DescribedPartition {
    DescribedPartition { lag_ms, measured_age_ms, ..partition }
}

pub(crate) fn mirror(name: &str, topics: &[(&str, Vec<DescribedPartition>)]) -> DescribedMirror {
    let topics = topics.iter().map(|(topic, partitions)| DescribedTopic {
        topic_name: (*topic).to_owned(),
        partitions: partitions.clone(),
    });
    DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: name.to_owned(),
        source_bootstrap: Some("one:9092".to_owned()),
        source_cluster_id: Some("abc".to_owned()),
        authorized_operations: i32::MIN,
        topics: topics.collect(),
    }
}
