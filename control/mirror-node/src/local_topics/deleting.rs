//! The end of topics: their logs are closed, their directories go, their names become free.

use std::io;
use std::path::Path;

use kafka_log::partition_files::FileName;
use kafka_log::partition_metadata;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName, TopicPartition};
use mirror_coordinator::desired_state::DesiredState;

use super::bound_topic_news::BoundTopicNews;
use super::{LocalTopicError, LocalTopics};
use crate::catalog::Topic;
use crate::directory_state::{DeletedTopic, DirectoryState};
use crate::doomed_directory;
use crate::durable_file;

impl LocalTopics {
    /// Remembers that a topic goes, and what bound it to a mirror with it.
    pub(super) fn begin_deletion(&self, shown: &Topic) -> Result<(), LocalTopicError> {
        let (name, id) = (&shown.name, shown.id);
        let partition_count = {
            let mut directory = self.directory.lock();
            let before = directory.state.clone();
            let Some(deleted) = take_topic(&mut directory.state, shown)? else { return Ok(()) };
            let partition_count = deleted.partition_count;
            directory.state.deleted_topics.insert(id, deleted);
            if let Err(error) = directory.write_state() {
                directory.state = before;
                return Err(error.into());
            }
            partition_count
        };
        if shown.is_bound() {
            self.tell(BoundTopicNews::Deleted { name: name.clone(), id, partition_count });
        }
        Ok(())
    }

    /// Closes the logs of a topic that goes, and deletes their directories.
    pub(super) fn close_deleted(&self, topic: &Topic) {
        for partition in &topic.partitions {
            let _alone = partition.lock_upkeep();
            if let Some(log) = partition.take_log()
                && let Err(error) = log.delete()
            {
                tracing::warn!("{}: cannot delete the log: {error}", partition.name);
            }
        }
    }

    /// Deletes what is left of the directories of deleted topics, then forgets those topics. What
    /// cannot be deleted is tried again the next time.
    pub(super) fn finish_deletions(&self) {
        let deleted = self.directory.lock().state.deleted_topics.clone();
        for (id, topic) in deleted {
            if let Err(error) = self.finish_deletion(id, &topic) {
                tracing::warn!("topic {} cannot be deleted wholly: {error}", topic.name);
            }
        }
    }

    fn finish_deletion(&self, id: TopicId, topic: &DeletedTopic) -> io::Result<()> {
        // A mirror may have taken the name since, when an earlier try failed.
        let is_reused = self.directory.lock().state.topic_id(&topic.name).is_some();
        for index in (0..topic.partition_count).filter_map(PartitionIndex::from_wire) {
            let name = TopicPartition { topic: topic.name.clone(), partition: index };
            let directory = self.directory.root().join(name.to_string());
            let owner = owner(&directory)?;
            if owner == Owner::Topic(id) || (owner == Owner::Nobody && !is_reused) {
                doomed_directory::remove(&directory)?;
            }
            if !is_reused {
                self.directory.forget(&name);
            }
        }
        // Of a later topic with that name no checkpoint may be taken for this one's.
        self.directory.write_checkpoints().map_err(io::Error::other)?;
        let mut directory = self.directory.lock();
        directory.state.deleted_topics.remove(&id);
        directory.write_state().map_err(|error| {
            directory.state.deleted_topics.insert(id, topic.clone());
            io::Error::other(error)
        })
    }
}

/// Takes a topic out of what is remembered.
fn take_topic(
    state: &mut DirectoryState,
    shown: &Topic,
) -> Result<Option<DeletedTopic>, LocalTopicError> {
    let name = &shown.name;
    check_stopped(state, name)?;
    let unbound = state.cluster_mirrors.plan_topics_deleted(std::slice::from_ref(name));
    state.change_mirrors(&unbound).expect("the change was planned just now");
    let local = state.local_topics.remove(name).map(|topic| topic.partition_count);
    let count = local.or_else(|| state.topics.remove(name).map(|topic| topic.partition_count));
    Ok(count.map(|partition_count| DeletedTopic { name: name.clone(), partition_count }))
}

/// Refuses a topic that is to be mirrored: its logs may be on their way to the engine already.
pub(super) fn check_stopped(
    state: &DirectoryState,
    name: &TopicName,
) -> Result<(), LocalTopicError> {
    let bound = state.cluster_mirrors.topics().get(name);
    if bound.is_some_and(|bound| bound.desired != DesiredState::Stopped) {
        return Err(LocalTopicError::Mirrored { name: name.clone() });
    }
    Ok(())
}

/// Whose a directory of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// There is no such directory, or it says nothing that can be read.
    Unknown,
    /// The node died making it.
    Nobody,
    Topic(TopicId),
}

fn owner(directory: &Path) -> io::Result<Owner> {
    if !directory.is_dir() {
        return Ok(Owner::Unknown);
    }
    let path = directory.join(FileName::PARTITION_METADATA.text());
    let contents = durable_file::read(&path, METADATA_BYTES_MAX)?;
    Ok(contents.map_or(Owner::Nobody, |contents| {
        partition_metadata::parse(&contents).map_or(Owner::Unknown, Owner::Topic)
    }))
}

const METADATA_BYTES_MAX: u64 = 4096;
