//! What `--list` and `--describe` print, with the columns of KIP-1279.

use kafka_wire::mirror_api::describe_cluster_mirrors::{DescribedMirror, DescribedPartition};
use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use serde::Serialize;

use crate::table::{beginning, known, table};

/// A mirror of `--list`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedMirrorRow {
    mirror: String,
    topics: i32,
    source_cluster_id: String,
    source_bootstrap_server: String,
    topic_names: Vec<String>,
}

impl From<ListedMirror> for ListedMirrorRow {
    fn from(listed: ListedMirror) -> Self {
        Self {
            mirror: listed.mirror_name,
            topics: listed.topic_count,
            source_cluster_id: listed.source_cluster_id,
            source_bootstrap_server: listed.source_bootstrap,
            topic_names: listed.topic_names.unwrap_or_default(),
        }
    }
}

/// A partition of `--describe`; -1 for a number that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionRow {
    pub(crate) mirror: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) source_offset: i64,
    pub(crate) destination_offset: i64,
    pub(crate) lag: i64,
    pub(crate) state: String,
    pub(crate) retry_attempt: i16,
    pub(crate) error_message: Option<String>,
    pub(crate) lag_ms: i64,
    pub(crate) measured_age_ms: i64,
}

/// Every partition, as it was told.
pub(crate) fn rows(mirrors: &[DescribedMirror]) -> impl Iterator<Item = PartitionRow> {
    mirrors.iter().flat_map(|mirror| {
        mirror.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|told| PartitionRow {
                mirror: mirror.mirror_name.clone(),
                topic: topic.topic_name.clone(),
                partition: told.partition_index,
                source_offset: told.source_offset,
                destination_offset: told.destination_offset,
                lag: lag(told),
                state: told.state_value.clone(),
                retry_attempt: told.retry_attempt,
                error_message: told.error_message.clone(),
                lag_ms: told.lag_ms,
                measured_age_ms: told.measured_age_ms,
            })
        })
    })
}

/// Records behind the source; -1 when one of the two ends is not known.
fn lag(told: &DescribedPartition) -> i64 {
    if told.source_offset < 0 || told.destination_offset < 0 {
        return -1;
    }
    (told.source_offset - told.destination_offset).max(0)
}

/// Partitions that failed.
pub(crate) fn failed_rows(mirrors: &[DescribedMirror]) -> Vec<PartitionRow> {
    rows(mirrors).filter(|row| row.state == FAILED).collect()
}

pub(crate) fn listed_lines(mirrors: &[ListedMirrorRow]) -> Vec<String> {
    if mirrors.is_empty() {
        return vec!["No mirrors found".to_owned()];
    }
    let rows: Vec<Vec<String>> = mirrors
        .iter()
        .map(|mirror| {
            let id = &mirror.source_cluster_id;
            vec![
                mirror.mirror.clone(),
                mirror.topics.to_string(),
                if id.is_empty() { "-".to_owned() } else { beginning(id, usize::MAX) },
                beginning(&mirror.source_bootstrap_server, usize::MAX),
            ]
        })
        .collect();
    table(&["MIRROR", "TOPICS", "SOURCE-CLUSTER-ID", "SOURCE-BOOTSTRAP-SERVER"], &rows)
}

pub(crate) fn partition_lines(rows: &[PartitionRow]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["No mirror partitions found".to_owned()];
    }
    let headings =
        ["MIRROR", "TOPIC", "PARTITION", "SOURCE-OFFSET", "DESTINATION-OFFSET", "LAG", "STATE"];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.mirror.clone(),
                row.topic.clone(),
                row.partition.to_string(),
                known(row.source_offset),
                known(row.destination_offset),
                known(row.lag),
                row.state.clone(),
            ]
        })
        .collect();
    table(&headings, &cells)
}

pub(crate) fn failed_lines(rows: &[PartitionRow], attempts_max: &str) -> Vec<String> {
    if rows.is_empty() {
        return vec!["No failed partitions found".to_owned()];
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let retry = match row.retry_attempt {
                -1 => "NonRetryable".to_owned(),
                attempt => format!("{attempt}/{attempts_max}"),
            };
            let error = row.error_message.as_deref().unwrap_or("-");
            vec![
                row.mirror.clone(),
                row.topic.clone(),
                row.partition.to_string(),
                retry,
                beginning(error, ERROR_CHARS_MAX),
            ]
        })
        .collect();
    table(&["MIRROR", "TOPIC", "PARTITION", "RETRY", "ERROR"], &cells)
}

/// Name of the state that `--failed` selects.
pub(crate) const FAILED: &str = "FAILED";
/// How much of an error is shown.
const ERROR_CHARS_MAX: usize = 80;
