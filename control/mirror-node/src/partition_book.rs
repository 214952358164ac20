//! Where every partition stands, by the engine's word, and what of it may be checkpointed.

use std::collections::BTreeMap;

use kafka_log::log_config::LogConfig;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicIdPartition, TopicPartition};
use mirror_uring::Progress;

use crate::directory::DirectoryCheckpoints;

/// The partitions of one run, and the checkpoints of all partitions in the directory.
#[derive(Debug)]
pub(crate) struct PartitionBook {
    entries: BTreeMap<TopicIdPartition, BookEntry>,
    checkpoints: DirectoryCheckpoints,
    is_dirty: bool,
}

/// One partition of this run.
#[derive(Debug)]
pub(crate) struct BookEntry {
    /// Its name.
    pub(crate) name: TopicPartition,
    /// False when the source has no topic ids.
    pub(crate) source_has_topic_ids: bool,
    /// Segment and index sizes.
    pub(crate) log_config: LogConfig,
    /// Where it stands; `None` until its log was opened.
    pub(crate) progress: Option<Progress>,
    /// Where its log ended when it was opened.
    pub(crate) loaded_end: Option<Offset>,
    /// Where the source's log ended when it was first asked.
    pub(crate) target: Option<Offset>,
}

impl PartitionBook {
    /// A book that begins with the directory's checkpoints.
    pub(crate) fn new(checkpoints: DirectoryCheckpoints) -> Self {
        Self { entries: BTreeMap::new(), checkpoints, is_dirty: false }
    }

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

    /// Every partition of this run.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (TopicIdPartition, &BookEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// What may be written to the directory's checkpoints now.
    pub(crate) fn checkpoints(&self) -> &DirectoryCheckpoints {
        &self.checkpoints
    }

    /// True once after anything changed that a checkpoint holds.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }

    /// Says that the checkpoints could not be written.
    pub(crate) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// The partitions of this run, and whether each one's log was opened.
    pub(crate) fn loaded(&self) -> BTreeMap<&TopicPartition, bool> {
        self.entries.values().map(|entry| (&entry.name, entry.progress.is_some())).collect()
    }

    /// Notes where a partition stands that was just opened.
    pub(crate) fn note_loaded(&mut self, id: TopicIdPartition, progress: Progress) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.loaded_end = entry.loaded_end.or_else(|| Some(progress.log_end.offset()));
        }
        self.note_progress(id, progress);
    }

    /// Notes the engine's word of where a partition stands.
    pub(crate) fn note_progress(&mut self, id: TopicIdPartition, progress: Progress) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.progress = Some(progress);
        let durable = progress.recovery_point.min(progress.log_end.offset());
        let start = progress.log_start.offset();
        let high_watermark = progress.source_high_watermark.map(|mark| mark.offset().min(durable));
        let checkpoints = &mut self.checkpoints;
        let name = &entry.name;
        let mut dirty = set(&mut checkpoints.recovery_points, name, Some(durable));
        // A log that starts at zero needs no entry, and an absent one cannot be wrong.
        dirty |= set(&mut checkpoints.log_starts, name, Some(start).filter(|at| at.get() > 0));
        if high_watermark.is_some() {
            dirty |= set(&mut checkpoints.high_watermarks, name, high_watermark);
        }
        self.is_dirty |= dirty;
    }

    /// Notes that a partition's log was cut: nothing at or above `end` may be called durable.
    pub(crate) fn note_cut(&mut self, id: TopicIdPartition, end: Offset) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let checkpoints = &mut self.checkpoints;
        for offsets in [&mut checkpoints.recovery_points, &mut checkpoints.high_watermarks] {
            if let Some(offset) = offsets.get_mut(&entry.name) {
                *offset = (*offset).min(end);
            }
        }
        self.is_dirty = true;
    }
}

/// Sets or removes an offset; says whether that changed anything.
fn set(
    offsets: &mut BTreeMap<TopicPartition, Offset>,
    name: &TopicPartition,
    offset: Option<Offset>,
) -> bool {
    match offset {
        Some(offset) if offsets.get(name) == Some(&offset) => false,
        Some(offset) => {
            offsets.insert(name.clone(), offset);
            true
        }
        None => offsets.remove(name).is_some(),
    }
}

#[cfg(test)]
mod tests;
