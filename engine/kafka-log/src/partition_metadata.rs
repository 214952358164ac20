//! The file that binds a partition's directory to a topic, `partition.metadata`.
//!
//! ```text
//! version: 0
//! topic_id: 46r_7FZsSB2NSZZF0fRnlw
//! ```
//! Source: `PartitionMetadataFile` in Apache Kafka.

use kafka_wire::partition::TopicId;

const VERSION: &str = "0";

/// What is wrong with a `partition.metadata` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionMetadataError {
    /// Not text.
    #[error("partition.metadata is not UTF-8")]
    NotText,
    /// Another version than 0, or none.
    #[error("partition.metadata does not say \"version: 0\"")]
    Version,
    /// No topic id, or one that is none.
    #[error("partition.metadata holds no topic id")]
    TopicId,
}

/// Contents of the file; Kafka ends it without a newline.
#[must_use]
pub fn encode(topic_id: TopicId) -> Vec<u8> {
    format!("version: {VERSION}\ntopic_id: {topic_id}").into_bytes()
}

/// Parses the file's contents; the order of the lines is free.
///
/// # Errors
/// When it is not the format or holds no topic id.
pub fn parse(contents: &[u8]) -> Result<TopicId, PartitionMetadataError> {
    let text = std::str::from_utf8(contents).map_err(|_| PartitionMetadataError::NotText)?;
    let value = |name: &str| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next()
    };
    if value("version") != Some(VERSION) {
        return Err(PartitionMetadataError::Version);
    }
    value("topic_id").and_then(TopicId::parse).ok_or(PartitionMetadataError::TopicId)
}

#[cfg(test)]
mod tests;
