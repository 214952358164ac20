//! Where every partition of a run stands, by the engine's word.

use std::collections::BTreeMap;

use kafka_log::log_config::LogConfig;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId, TopicIdPartition, TopicPartition};
use mirror_uring::Progress;
use tokio::time::Instant;

use crate::log_ledger::LogCheckpoint;
use crate::log_publisher::LogPublisher;

mod refused;

pub(crate) use refused::{Pauses, Refused};

/// The partitions of one run.
#[derive(Debug, Default)]
pub(crate) struct PartitionBook {
    entries: BTreeMap<TopicIdPartition, BookEntry>,
}

/// One partition of this run.
#[derive(Debug)]
pub(crate) struct BookEntry {
    /// Its name.
    pub(crate) name: TopicPartition,
    /// True from when the engine was given it until it has given it back.
    pub(crate) is_in_engine: bool,
    /// False when the source has no topic ids.
    pub(crate) source_has_topic_ids: bool,
    /// Segment and index sizes.
    pub(crate) log_config: LogConfig,
    /// Where it stands; `None` until its log was opened.
    pub(crate) progress: Option<Progress>,
    /// Tells its readers.
    pub(crate) publisher: LogPublisher,
    /// Where its log ended when it was opened.
    pub(crate) loaded_end: Option<Offset>,
    /// Where the source's log ended when it was first asked.
    pub(crate) target: Option<Offset>,
    /// Since when it has not had all that its source has.
    pub(crate) behind_since: Option<Instant>,
    /// The broker that led it at the source when that was last told.
    pub(crate) leader: Option<BrokerId>,
    /// When the engine told last where it stands.
    pub(crate) progressed_at: Option<Instant>,
    /// The source's last word of it, when that was a refusal.
    pub(crate) refused: Option<Refused>,
    /// When the engine gave it back; what is known of the source is as old.
    pub(crate) left_engine: Option<Instant>,
}

impl PartitionBook {
    /// The partition's entry, made by `first` when it is new; says whether it was.
    pub(crate) fn open(
        &mut self,
        id: TopicIdPartition,
        first: impl FnOnce() -> BookEntry,
    ) -> (&mut BookEntry, bool) {
        let mut is_new = false;
        let entry = self.entries.entry(id).or_insert_with(|| {
            is_new = true;
            first()
        });
        (entry, is_new)
    }

    /// The partition's entry.
    pub(crate) fn get(&self, id: TopicIdPartition) -> Option<&BookEntry> {
        self.entries.get(&id)
    }

    /// The partition's entry, to change it.
    pub(crate) fn get_mut(&mut self, id: TopicIdPartition) -> Option<&mut BookEntry> {
        self.entries.get_mut(&id)
    }

    /// The partitions of a topic.
    pub(crate) fn of_topic(&self, topic_id: TopicId) -> Vec<TopicIdPartition> {
        let first = TopicIdPartition { topic_id, partition: PartitionIndex::default() };
        let from_first = self.entries.range(first..).map(|(id, _)| *id);
        from_first.take_while(|id| id.topic_id == topic_id).collect()
    }

    /// Forgets a partition.
    pub(crate) fn remove(&mut self, id: TopicIdPartition) {
        self.entries.remove(&id);
    }

    /// Every partition of this run.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (TopicIdPartition, &BookEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }
}

impl BookEntry {
    /// Notes where a partition stands that was just opened; says what may be checkpointed.
    pub(crate) fn note_loaded(&mut self, progress: Progress) -> LogCheckpoint {
        self.loaded_end = self.loaded_end.or_else(|| Some(progress.log_end.offset()));
        self.note_progress(progress)
    }

    /// Notes the engine's word of where a partition stands; says what may be checkpointed.
    pub(crate) fn note_progress(&mut self, progress: Progress) -> LogCheckpoint {
        let has_answered = self.progress.is_none_or(|before| {
            before.source_high_watermark != progress.source_high_watermark
                || before.log_end < progress.log_end
        });
        // Progress is told of work on the disk, too.
        self.refused = self.refused.filter(|_| !has_answered);
        self.progress = Some(progress);
        self.progressed_at = Some(Instant::now());
        let source = progress.source_high_watermark.map(|mark| mark.offset());
        let is_behind = source.is_some_and(|source| source > progress.log_end.offset());
        self.behind_since = is_behind.then(|| self.behind_since.unwrap_or_else(Instant::now));
        let recovery_point = progress.recovery_point.min(progress.log_end.offset());
        let high_watermark = progress.source_high_watermark;
        LogCheckpoint {
            recovery_point,
            log_start: progress.log_start,
            high_watermark: high_watermark.map(|mark| mark.offset().min(recovery_point)),
        }
    }

    /// Notes that the source answered a question about the partition with an error; it is asked
    /// again after one of `pauses`.
    pub(crate) fn note_refused(&mut self, now: Instant, pauses: &Pauses) {
        self.refused = Some(Refused::again(self.refused, now, pauses));
    }

    /// From when what is known of the source is, by the last word of its leader there.
    pub(crate) fn measured_at(&self, answered: Option<Instant>, now: Instant) -> Option<Instant> {
        // What a fetch waits for is told at once, so what is known is as old as the last sign of
        // life of the broker that is asked, or as the last time that anybody asked.
        let answered = answered.max(self.progressed_at);
        let left = self.left_engine.filter(|_| !self.is_in_engine);
        let refused = self.refused.and_then(|refused| refused.since(left.unwrap_or(now)));
        let until = [left, refused].into_iter().flatten().min();
        match until {
            Some(until) => Some(answered.map_or(until, |answered| answered.min(until))),
            None => answered,
        }
    }
}

#[cfg(test)]
mod tests;
