//! Topics made here: what is remembered of them, their logs, and the catalog's view of both.
//!
//! ```text
//!  create: ringmirror.json -> directories, logs -> catalog has the logs
//!  delete: ringmirror.json (deleted_topics) -> catalog -> directories -> ringmirror.json
//! ```
//! What is not remembered is not begun: after a crash every directory belongs to a topic that is
//! remembered, or to one whose deletion goes on at the next start. Everything here waits for the
//! disk: call it on threads that may.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kafka_log::recovery::LoadFinding;
use kafka_wire::partition::{TopicId, TopicName, TopicPartition};

use crate::catalog::{Binding, Catalog, Topic, TopicSpec};
use crate::directory::DirectoryError;
use crate::directory_state::{DirectoryState, LocalTopic, MirrorTopic};
use crate::doomed_directory;
use crate::groups::{OFFSETS_PARTITIONS, OFFSETS_TOPIC};
use crate::memory_cap::NoMemory;
use crate::mirror_state_journal::{MIRROR_STATE_PARTITIONS, MIRROR_STATE_TOPIC};
use crate::random_id::random_id;
use crate::share_groups::{SHARE_STATE_PARTITIONS, SHARE_STATE_TOPIC};
use crate::shared_directory::SharedDirectory;
use bound_topic_news::{BoundTopicNews, TellBoundTopicNews};
use told_epochs::ToldEpochs;

pub mod bound_topic_news;
mod deleting;
pub mod keeper;
mod log_settings;
mod logs;
mod sealing;
pub mod stopped_mirrors;
mod told_epochs;

/// The topics made here. One change at a time.
#[derive(Debug)]
pub struct LocalTopics {
    directory: Arc<SharedDirectory>,
    catalog: Arc<Catalog>,
    changing: Mutex<()>,
    told_epochs: ToldEpochs,
    /// Logs that were sealed together with others.
    seal_count: AtomicU64,
    /// The same when logs were kept up last.
    seal_count_kept_up: AtomicU64,
    /// Hears what clients change of topics that belong to a mirror.
    news: OnceLock<TellBoundTopicNews>,
}

/// Why a topic was not made or changed; it is as it was then.
#[derive(Debug, thiserror::Error)]
pub enum LocalTopicError {
    /// There is one of that name, made here or mirrored.
    #[error("topic {name} exists")]
    Exists {
        /// Its name.
        name: TopicName,
    },
    /// Its mirroring was not stopped, or not that of every partition.
    #[error("topic {name} is mirrored: stop its mirroring first")]
    Mirrored {
        /// Its name.
        name: TopicName,
    },
    /// There is none of that id here.
    #[error("there is no topic {id} here any more")]
    Unknown {
        /// As asked for.
        id: TopicId,
    },
    /// Each partition keeps up to three files open.
    #[error("{asked} more partitions, {held} are here of at most {max}")]
    TooMany {
        /// How many were asked for.
        asked: i32,
        /// How many there are.
        held: usize,
        /// How many there may be.
        max: usize,
    },
    /// There is no memory for its partitions.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// `ringmirror.json` cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A log cannot be made.
    #[error("{partition}: {reason}")]
    Log {
        /// Whose log.
        partition: TopicPartition,
        /// Why.
        reason: String,
    },
    /// The system gives no random bytes for an id.
    #[error("no random bytes for a topic id: {0}")]
    Id(io::Error),
}

/// What opening a log came to, when that is worth telling.
#[derive(Debug)]
pub enum LogNews {
    /// Recovery found something.
    Repaired {
        /// Whose log.
        partition: TopicPartition,
        /// What was found.
        finding: LoadFinding,
    },
    /// It cannot be used: clients cannot read it nor write to it.
    Unusable {
        /// Whose log.
        partition: TopicPartition,
        /// Why.
        reason: String,
    },
}

impl LocalTopics {
    /// The topics made in that directory, none of whose logs are open.
    #[must_use]
    pub fn new(directory: Arc<SharedDirectory>, catalog: Arc<Catalog>) -> Self {
        Self {
            directory,
            catalog,
            changing: Mutex::default(),
            told_epochs: ToldEpochs::default(),
            seal_count: AtomicU64::default(),
            seal_count_kept_up: AtomicU64::default(),
            news: OnceLock::new(),
        }
    }

    /// The directory they are in.
    #[must_use]
    pub const fn directory(&self) -> &Arc<SharedDirectory> {
        &self.directory
    }

    /// Ends deletions that a crash cut short, then shows every topic and opens its logs. Gives up
    /// between two logs when `stop` is set.
    pub fn open_all(&self, stop: &AtomicBool) -> Vec<LogNews> {
        let _alone = self.lock_changing();
        self.finish_deletions();
        // Their topics may be forgotten already.
        doomed_directory::sweep(self.directory.root());
        let topics = self.directory.lock().state.local_topics.clone();
        let shown: Vec<_> =
            topics.iter().map(|(name, topic)| self.catalog.put(name, spec_of(topic))).collect();
        self.open_logs(&shown, stop)
    }

    /// Makes a topic; clients can write to it when this returns.
    ///
    /// # Errors
    /// Why there is no such topic.
    pub fn create(
        &self,
        name: &TopicName,
        partition_count: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, LocalTopicError> {
        let _alone = self.lock_changing();
        self.check_room(name, partition_count)?;
        let topic_id = random_id().map_err(LocalTopicError::Id)?;
        let topic = LocalTopic { topic_id, partition_count, configs, leader_epochs: Vec::new() };
        // The directories of a topic that had the name have to be gone.
        self.finish_deletions();
        {
            let mut directory = self.directory.lock();
            let state = &mut directory.state;
            if state.topics.contains_key(name) || state.is_local(name) {
                return Err(LocalTopicError::Exists { name: name.clone() });
            }
            let mut room = self.directory.partition_room(state);
            room.take(name, Binding::Unbound, partition_count)?;
            state.local_topics.insert(name.clone(), topic.clone());
            if let Err(error) = directory.write_state() {
                directory.state.local_topics.remove(name);
                return Err(error.into());
            }
        }
        let shown = self.catalog.put(name, spec_of(&topic));
        let opened = self.open_logs(std::slice::from_ref(&shown), &AtomicBool::new(false));
        if let Some(error) = first_unusable(opened) {
            self.delete_shown(&shown)?;
            return Err(error);
        }
        Ok(shown)
    }

    /// Gives a topic more partitions, `partition_count` in all.
    ///
    /// # Errors
    /// Why it has no more.
    ///
    /// # Panics
    /// When it has more already: partitions are never taken away.
    pub fn grow(&self, id: TopicId, partition_count: i32) -> Result<(), LocalTopicError> {
        let _alone = self.lock_changing();
        let name = self.name_of(id)?;
        self.check_not_mirrored(&name)?;
        let held = self.catalog.topic(&name).map_or(0, |topic| topic.partitions.len());
        let held = i32::try_from(held).unwrap_or(i32::MAX);
        assert!(partition_count >= held, "{name} has {held} partitions already");
        self.check_room(&name, partition_count - held)?;
        let shown = self.change(&name, |count, _| *count = partition_count)?;
        if shown.is_bound() {
            // Whoever hears of it opens the logs, once mirroring of them counts as stopped.
            self.tell(BoundTopicNews::Grown { name, id, partition_count });
            return Ok(());
        }
        // A partition whose log cannot be opened now is tried again at the next start.
        let opened = self.open_logs(&[shown], &AtomicBool::new(false));
        first_unusable(opened).map_or(Ok(()), Err)
    }

    /// Replaces the settings explicitly made for a topic.
    ///
    /// # Errors
    /// Why they are what they were.
    pub fn configure(
        &self,
        id: TopicId,
        configs: BTreeMap<String, String>,
    ) -> Result<(), LocalTopicError> {
        let _alone = self.lock_changing();
        let name = self.name_of(id)?;
        let shown = self.change(&name, |_, held| *held = configs)?;
        let settings = log_settings::of(&shown.configs);
        for log in shown.partitions.iter().filter_map(|partition| partition.held_log()) {
            log.update_settings(settings);
        }
        if shown.is_bound() {
            self.tell(BoundTopicNews::Configured { name });
        }
        Ok(())
    }

    /// Deletes a topic with its records, and with what binds it to a mirror.
    ///
    /// # Errors
    /// Why it is still there.
    pub fn delete(&self, id: TopicId) -> Result<(), LocalTopicError> {
        let _alone = self.lock_changing();
        let shown = self.catalog.topic_of(id).ok_or(LocalTopicError::Unknown { id })?;
        self.check_not_mirrored(&shown.name)?;
        self.delete_shown(&shown)
    }

    fn delete_shown(&self, shown: &Topic) -> Result<(), LocalTopicError> {
        self.begin_deletion(shown)?;
        self.catalog.remove(&shown.name);
        self.close_deleted(shown);
        self.finish_deletions();
        Ok(())
    }

    /// Changes what is remembered of a topic, partition count and settings, and shows it; returns
    /// what it is now. There has to be room for the partitions that are new.
    fn change(
        &self,
        name: &TopicName,
        change: impl FnOnce(&mut i32, &mut BTreeMap<String, String>),
    ) -> Result<Arc<Topic>, LocalTopicError> {
        let mut directory = self.directory.lock();
        let before = directory.state.clone();
        let mut room = self.directory.partition_room(&before);
        let state = &mut directory.state;
        let spec = if let Some(topic) = state.local_topics.get_mut(name) {
            change(&mut topic.partition_count, &mut topic.configs);
            Some(spec_of(topic))
        } else if let Some(topic) = state.topics.get_mut(name) {
            change(&mut topic.partition_count, &mut topic.configs);
            Some(bound_spec_of(topic))
        } else {
            None
        };
        let spec = spec.expect("a topic whose name was looked up is there while nobody changes");
        let partitions = |state: &DirectoryState| state.partition_count(name).unwrap_or(0);
        let more = partitions(state) - partitions(&before);
        let taken = room.take(name, spec.binding, more).map_err(LocalTopicError::from);
        let written = taken.and_then(|()| Ok(directory.write_state()?));
        if let Err(error) = written {
            directory.state = before;
            return Err(error);
        }
        // Before anybody can bind it to a mirror: that must not be shown over.
        Ok(self.catalog.put(name, spec))
    }

    fn name_of(&self, id: TopicId) -> Result<TopicName, LocalTopicError> {
        let directory = self.directory.lock();
        let state = &directory.state;
        let local = state.local_topics.iter().map(|(name, topic)| (name, topic.topic_id));
        let bound = state.topics.iter().map(|(name, topic)| (name, topic.topic_id));
        let found = local.chain(bound).find(|(_, topic_id)| *topic_id == id);
        found.map(|(name, _)| name.clone()).ok_or(LocalTopicError::Unknown { id })
    }

    /// Refuses a topic some of whose partitions the engine writes, or is about to.
    fn check_not_mirrored(&self, name: &TopicName) -> Result<(), LocalTopicError> {
        deleting::check_stopped(&self.directory.lock().state, name)?;
        let shown = self.catalog.topic(name);
        let is_mirrored = shown.is_some_and(|topic| topic.is_bound() && !topic.is_writable());
        if is_mirrored { Err(LocalTopicError::Mirrored { name: name.clone() }) } else { Ok(()) }
    }

    fn check_room(&self, name: &TopicName, asked: i32) -> Result<(), LocalTopicError> {
        let topics = self.catalog.topics();
        let local = topics.iter().filter(|topic| topic.binding == Binding::Unbound);
        let held: usize = local.map(|topic| topic.partitions.len()).sum();
        // The first group and the first mirror find room, however many topics were made before.
        let is_there = |own: &str| {
            name.as_str() == own || topics.iter().any(|topic| topic.name.as_str() == own)
        };
        let reserved = RESERVED.iter().filter(|(own, _)| !is_there(own));
        let max = PARTITIONS_MAX - reserved.map(|(_, count)| usize::from(*count)).sum::<usize>();
        let count = usize::try_from(asked).unwrap_or(usize::MAX);
        if count > max.saturating_sub(held) {
            return Err(LocalTopicError::TooMany { asked, held, max });
        }
        Ok(())
    }

    fn lock_changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A topic made here, for the catalog.
fn spec_of(topic: &LocalTopic) -> TopicSpec {
    TopicSpec {
        id: topic.topic_id,
        binding: Binding::Unbound,
        configs: topic.configs.clone(),
        partition_count: topic.partition_count,
    }
}

/// A topic that belongs to a mirror, for the catalog.
fn bound_spec_of(topic: &MirrorTopic) -> TopicSpec {
    TopicSpec {
        id: topic.topic_id,
        binding: Binding::Bound,
        configs: topic.configs.clone(),
        partition_count: topic.partition_count,
    }
}

fn first_unusable(news: Vec<LogNews>) -> Option<LocalTopicError> {
    news.into_iter().find_map(|news| match news {
        LogNews::Repaired { .. } => None,
        LogNews::Unusable { partition, reason } => Some(LocalTopicError::Log { partition, reason }),
    })
}

/// Partitions of all topics made here; room for those of the node itself is kept.
pub const PARTITIONS_MAX: usize = 10_000;
/// Topics of the node itself, and their partitions.
const RESERVED: [(&str, u16); 3] = [
    (OFFSETS_TOPIC, OFFSETS_PARTITIONS),
    (MIRROR_STATE_TOPIC, MIRROR_STATE_PARTITIONS),
    (SHARE_STATE_TOPIC, SHARE_STATE_PARTITIONS),
];
const _: () =
    assert!(OFFSETS_PARTITIONS + MIRROR_STATE_PARTITIONS + SHARE_STATE_PARTITIONS <= 10_000);

#[cfg(test)]
mod tests;
