//! What clients change of topics that belong to mirrors: the directory has it already, the loop
//! follows.
//!
//! Metadata live in the directory; the loop's are a copy of them. Clients delete topics of mirrors
//! there on threads of their own, so the copy is renewed before anything is planned, and a change
//! that was planned all the same against an older copy is refused.

use kafka_protocol::error::ResponseError;
use kafka_wire::mirror_error::MirrorError as MirrorErrorCode;
use kafka_wire::partition::TopicName;
use mirror_coordinator::cluster_metadata::{BoundTopic, StaleChange};
use mirror_coordinator::lifecycle::Input;

use super::MirrorLoop;
use crate::directory::DirectoryError;
use crate::local_topics::bound_topic_news::BoundTopicNews;
use crate::memory_cap::NoMemory;

/// Why a change of the metadata does not count; nothing changed then.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// The disk refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// No state could follow from it: none is written any more.
    #[error("{0}")]
    StatesGivenUp(String),
    /// Clients deleted a topic after it was planned.
    #[error("a topic was deleted meanwhile ({0}): repeat the command if it is still wanted")]
    Stale(#[from] StaleChange),
    /// What clients deleted is not gone yet.
    #[error("topic {0} is still being deleted: try again when its directories are gone")]
    Going(TopicName),
    /// Clients took the memory for its partitions after it was planned.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl CommitError {
    /// The code that clients are told.
    pub(super) fn code(&self) -> i16 {
        match self {
            Self::Directory(_) | Self::StatesGivenUp(_) => ResponseError::KafkaStorageError.code(),
            Self::Stale(_) | Self::Going(_) => MirrorErrorCode::InvalidClusterMirrorState.code(),
            Self::NoMemory(_) => ResponseError::PolicyViolation.code(),
        }
    }
}

impl MirrorLoop<'_> {
    /// Follows a change that clients made of a topic.
    pub(super) fn on_topic_changed(&mut self, news: BoundTopicNews) {
        self.follow_deletions();
        match news {
            BoundTopicNews::Grown { name, .. } => self.open_in_book(&name),
            BoundTopicNews::Configured { name } => self.take_in_topic_settings(&name),
            BoundTopicNews::Deleted { .. } => {}
        }
    }

    /// Takes over the metadata of the directory, which know no topics that clients deleted.
    pub(super) fn follow_deletions(&mut self) {
        if self.node.is_none() {
            return;
        }
        let found = {
            let directory = self.destination.directory.lock();
            let found = &directory.state.cluster_mirrors;
            if found.offset() == self.metadata.offset() {
                return;
            }
            found.clone()
        };
        let before = std::mem::replace(&mut self.metadata, found);
        for (name, bound) in before.topics() {
            if !self.metadata.topics().contains_key(name) {
                self.forget_deleted(name, bound);
            }
        }
    }

    fn forget_deleted(&mut self, name: &TopicName, bound: &BoundTopic) {
        for id in self.book.of_topic(bound.topic_id) {
            self.inputs.push_back(Input::Unbound(id));
            self.book.remove(id);
            self.persisting.delete_partition(bound.mirror.clone(), id);
        }
        self.confirmed.remove(name);
        if let Some(source) = self.sources.get_mut(&bound.mirror) {
            source.told_topics.remove(name);
            source.lost_topics.forget(name);
        }
    }

    /// Refuses what no state can follow from.
    pub(super) fn check_states_are_written(&self) -> Result<(), CommitError> {
        let given_up = self.persisting.given_up();
        given_up.map_or(Ok(()), |reason| Err(CommitError::StatesGivenUp(reason.to_owned())))
    }

    /// Tells the operator what kept a change from counting, if that is the disk.
    pub(super) fn tell_uncommitted(&mut self, error: &CommitError) {
        match error {
            CommitError::Directory(error) => self.tell_directory_fault(error),
            CommitError::StatesGivenUp(_)
            | CommitError::Stale(_)
            | CommitError::Going(_)
            | CommitError::NoMemory(_) => tracing::debug!("{error}"),
        }
    }
}
