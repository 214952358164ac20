//! DescribeLogDirs (key 35): how large the partitions are, and the file system they lie on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use kafka_log::partition_files::{FileKind, FileName};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::catalog::{Partition, Topic};
use crate::node::Node;
use crate::server::metadata::topic_name;

/// Answers with the one directory and those of the partitions asked for that are there. Reads
/// directories.
pub(super) fn describe(node: &Node, asked: &DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let root = node.catalog.root();
    let shown = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let result = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(shown.to_string_lossy().into_owned()));
    let result = match measure(node, asked, root) {
        Ok(Measured { topics, total_bytes, usable_bytes }) => {
            result.with_topics(topics).with_total_bytes(total_bytes).with_usable_bytes(usable_bytes)
        }
        Err(error) => {
            tracing::warn!("cannot measure {}: {error}", root.display());
            result.with_error_code(ResponseError::KafkaStorageError.code())
        }
    };
    DescribeLogDirsResponse::default().with_results(vec![result])
}

struct Measured {
    topics: Vec<DescribeLogDirsTopic>,
    total_bytes: i64,
    usable_bytes: i64,
}

fn measure(node: &Node, asked: &DescribeLogDirsRequest, root: &Path) -> io::Result<Measured> {
    let system = rustix::fs::statvfs(root)?;
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(system.f_frsize));
    let mut topics = Vec::new();
    for (topic, indexes) in wanted(node, asked) {
        let mut partitions = Vec::new();
        for index in indexes {
            let Some(partition) = topic.partition(index) else { continue };
            // A topic that was just made or deleted has no directory.
            let Some(size) = segment_bytes(partition)? else { continue };
            let described = DescribeLogDirsPartition::default()
                .with_partition_index(index)
                .with_partition_size(size);
            partitions.push(described);
        }
        if !partitions.is_empty() {
            let described = DescribeLogDirsTopic::default().with_name(topic_name(&topic));
            topics.push(described.with_partitions(partitions));
        }
    }
    Ok(Measured {
        topics,
        total_bytes: bytes(system.f_blocks).unwrap_or(i64::MAX),
        usable_bytes: bytes(system.f_bavail).unwrap_or(i64::MAX),
    })
}

/// The topics asked for with the partitions asked for, each once.
fn wanted(node: &Node, asked: &DescribeLogDirsRequest) -> Vec<(Arc<Topic>, BTreeSet<i32>)> {
    let all = |topic: &Topic| (0..).take(topic.partitions.len()).collect();
    let Some(asked) = &asked.topics else {
        let topics = node.catalog.topics().into_iter();
        return topics.map(|topic| (Arc::clone(&topic), all(&topic))).collect();
    };
    let mut named: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for topic in asked {
        named.entry(topic.topic.as_str()).or_default().extend(&topic.partitions);
    }
    let found = named.into_iter().filter_map(|(name, indexes)| {
        let topic = node.catalog.topic_named(name)?;
        Some((topic, indexes))
    });
    found.collect()
}

/// Bytes of all segments of a partition, their indexes not counted, as a stock broker counts;
/// `None` when it has no directory.
fn segment_bytes(partition: &Partition) -> io::Result<Option<i64>> {
    let entries = match fs::read_dir(partition.view.directory()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // The last segment's file may be longer than what was written to it.
    let end = partition.view.state().map(|state| state.end_place);
    let mut sum = 0_u64;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let file = name.to_str().and_then(FileName::parse);
        let Some(file) = file.filter(|file| file.kind == FileKind::Log) else { continue };
        let length = match (end, entry.metadata()) {
            (Some(end), _) if file.offset > end.segment => 0,
            (Some(end), _) if file.offset == end.segment => u64::from(end.position),
            (_, Ok(metadata)) => metadata.len(),
            // Retention was faster.
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => 0,
            (_, Err(error)) => return Err(error),
        };
        sum = sum.saturating_add(length);
    }
    Ok(Some(i64::try_from(sum).unwrap_or(i64::MAX)))
}
