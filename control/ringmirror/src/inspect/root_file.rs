//! The files at the root of a data directory, by their names.

use std::path::Path;

use kafka_log::meta_properties::{self, MetaProperties};
use kafka_log::offset_checkpoint::{CheckpointName, OffsetCheckpoint};
use kafka_log::{bootstrap_checkpoint, clean_shutdown};
use mirror_coordinator::cluster_metadata::ClusterMetadata;
use mirror_node::directory_state::{DirectoryState, STATE_BYTES_MAX};
use mirror_node::durable_file;

use super::{Inspected, metadata_batches};

/// True when the file's name means something at the root.
pub(super) fn is_known(path: &Path) -> bool {
    name_of(path).is_some_and(|name| kind_of(name).is_some())
}

/// Reads a file of the root; `None` when its name is not one.
pub(super) fn inspect(path: &Path, entries: bool) -> Option<Inspected> {
    let kind = kind_of(name_of(path)?)?;
    let mut inspected = Inspected::new(path, kind.text());
    let contents = match durable_file::read(path, STATE_BYTES_MAX) {
        Ok(contents) => contents.unwrap_or_default(),
        Err(error) => {
            inspected.problem(error);
            return Some(inspected);
        }
    };
    match kind {
        RootFile::Meta => meta(&contents, &mut inspected),
        RootFile::State => state(&contents, &mut inspected),
        RootFile::Checkpoint(name) => checkpoint(name, &contents, entries, &mut inspected),
        RootFile::CleanMarker => inspected.fact(format_args!(
            "every log was closed; broker epoch {}",
            clean_shutdown::parse(&contents)
        )),
        RootFile::Bootstrap => metadata_batches::inspect(&contents, &mut inspected),
    }
    Some(inspected)
}

#[derive(Clone, Copy)]
enum RootFile {
    Meta,
    State,
    Checkpoint(CheckpointName),
    CleanMarker,
    Bootstrap,
}

impl RootFile {
    const fn text(self) -> &'static str {
        match self {
            Self::Meta => "identity of the directory",
            Self::State => "what is mirrored from where",
            Self::Checkpoint(CheckpointName::RecoveryPoint) => "recovery points",
            Self::Checkpoint(CheckpointName::Replication) => "high watermarks",
            Self::Checkpoint(CheckpointName::LogStart) => "log starts",
            Self::Checkpoint(CheckpointName::Cleaner) => "cleaner offsets",
            Self::CleanMarker => "clean-shutdown marker",
            Self::Bootstrap => "first metadata of a new cluster",
        }
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn kind_of(name: &str) -> Option<RootFile> {
    let checkpoints = [
        CheckpointName::RecoveryPoint,
        CheckpointName::Replication,
        CheckpointName::LogStart,
        CheckpointName::Cleaner,
    ];
    match name {
        meta_properties::FILE_NAME => Some(RootFile::Meta),
        "ringmirror.json" => Some(RootFile::State),
        clean_shutdown::FILE_NAME => Some(RootFile::CleanMarker),
        bootstrap_checkpoint::FILE_NAME => Some(RootFile::Bootstrap),
        _ => {
            let found = checkpoints.into_iter().find(|known| known.text() == name);
            found.map(RootFile::Checkpoint)
        }
    }
}

fn meta(contents: &[u8], inspected: &mut Inspected) {
    match MetaProperties::parse(contents) {
        Ok(meta) => {
            let directory = meta
                .directory_id
                .map_or_else(|| "none".to_owned(), meta_properties::directory_id_text);
            inspected.fact(format_args!(
                "cluster {}, node {}, directory {directory}",
                meta.cluster_id, meta.node_id
            ));
        }
        Err(error) => inspected.problem(error),
    }
}

/// Mirrors and what is wanted of their topics. Of settings only their names: some are secrets.
fn mirrors(metadata: &ClusterMetadata, inspected: &mut Inspected) {
    for (name, mirror) in metadata.mirrors() {
        let source = mirror.source_cluster_id.as_deref().unwrap_or("not known");
        let set: Vec<_> = mirror.configs.keys().map(String::as_str).collect();
        inspected.fact(format_args!(
            "mirror {name}: source cluster {source}, settings: {}",
            set.join(", ")
        ));
    }
    for (name, topic) in metadata.topics() {
        inspected.fact(format_args!("topic {name}: of mirror {}, {}", topic.mirror, topic.desired));
    }
}

fn state(contents: &[u8], inspected: &mut Inspected) {
    match DirectoryState::parse(contents) {
        Ok(state) => {
            let cluster = state.source_cluster_id.as_deref().unwrap_or("not known");
            inspected.fact(format_args!("source cluster {cluster}"));
            for (name, topic) in &state.topics {
                let ids =
                    if topic.source_has_topic_ids { "" } else { " (ours: the source has none)" };
                inspected.fact(format_args!(
                    "topic {name}: id {}{ids}, {} partitions, {} settings",
                    topic.topic_id,
                    topic.partition_count,
                    topic.configs.len()
                ));
            }
            for (name, topic) in &state.local_topics {
                inspected.fact(format_args!(
                    "topic {name}: made here, id {}, {} partitions, {} settings",
                    topic.topic_id,
                    topic.partition_count,
                    topic.configs.len()
                ));
            }
            mirrors(&state.cluster_mirrors, inspected);
        }
        Err(error) => inspected.problem(error),
    }
}

fn checkpoint(name: CheckpointName, contents: &[u8], entries: bool, inspected: &mut Inspected) {
    match OffsetCheckpoint::parse(contents) {
        Ok(checkpoint) => {
            inspected.fact(format_args!("{} partitions", checkpoint.offsets.len()));
            if entries || name != CheckpointName::Cleaner {
                let lines = checkpoint.offsets.iter();
                let lines = lines.map(|(partition, offset)| format!("{partition}: {offset}"));
                inspected.entries.extend(lines);
            }
        }
        Err(error) => inspected.problem(error),
    }
}
