//! Where a run stands, for those who watch it.

use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::partition_state::MirrorPartitionState;

use super::MirrorLoop;
use crate::mirror_news::{FailedPart, MirrorEnd, MirrorProgress};

impl MirrorLoop<'_> {
    /// Why the run is over, when it is to end by itself and has come to its end.
    pub(super) fn reached_end(&self) -> Option<MirrorEnd> {
        if !self.config.until_caught_up || self.is_state_dirty {
            return None;
        }
        let mut count = 0;
        for (id, entry) in self.book.entries() {
            count += 1;
            let reached = match (entry.target, entry.progress) {
                // The watermark comes with the first records: before, nobody has asked whether
                // our log is still part of the source's.
                (Some(target), Some(progress)) => {
                    progress.source_high_watermark.is_some() && progress.log_end.offset() >= target
                }
                _ => false,
            };
            let failure = self.lifecycle.failure(id);
            let given_up = failure.is_some_and(|failure| failure.attempt.is_none());
            if !reached && !given_up {
                return None;
            }
        }
        let nothing = count == 0 && self.sources.iter().all(|(_, one)| one.lost_topics.is_empty());
        Some(if nothing { MirrorEnd::NothingSelected } else { MirrorEnd::CaughtUp })
    }

    fn is_failed(&self, partition: TopicIdPartition) -> bool {
        self.lifecycle.state(partition) == MirrorPartitionState::Failed
    }

    pub(super) fn progress(&self) -> MirrorProgress {
        let mut sum = MirrorProgress { elapsed_ms: self.now_ms(), ..MirrorProgress::default() };
        for (id, entry) in self.book.entries() {
            sum.partitions += 1;
            sum.partitions_failed += usize::from(self.is_failed(id));
            let (Some(loaded), Some(progress)) = (entry.loaded_end, entry.progress) else {
                continue;
            };
            let log_end = progress.log_end.offset();
            let high_watermark = progress.source_high_watermark.map(|mark| mark.offset());
            let goal = entry.target.max(high_watermark).map_or(log_end, |goal| goal.max(log_end));
            sum.partitions_caught_up += usize::from(high_watermark.is_some() && goal == log_end);
            sum.offsets_done += u64::try_from((log_end - loaded).get()).unwrap_or(0);
            sum.offsets_total += u64::try_from((goal - loaded).get()).unwrap_or(0);
        }
        for counters in self.engine.iter().flat_map(|engine| engine.counters()) {
            sum.bytes_received += counters.bytes_received;
            sum.bytes_written += counters.bytes_written;
            sum.batches += counters.batches_accepted;
            sum.batches_corrupt += counters.batches_corrupt;
            sum.buffer_waits += counters.buffer_waits;
        }
        sum
    }

    /// Everything that is not mirrored, with the reason.
    pub(super) fn failed_parts(&self) -> Vec<FailedPart> {
        let lost = self.sources.iter().flat_map(|(_, source)| source.lost_topics.all());
        let topics = lost
            .map(|(name, reason)| FailedPart { name: name.to_string(), reason: reason.clone() });
        let is_lost = |name| self.sources.iter().any(|(_, one)| one.lost_topics.has(name));
        let partitions = self.book.entries().filter_map(|(id, entry)| {
            let failure = self.lifecycle.failure(id)?;
            (self.is_failed(id) && !is_lost(&entry.name.topic)).then(|| FailedPart {
                name: entry.name.to_string(),
                reason: failure.reason.clone(),
            })
        });
        topics.chain(partitions).collect()
    }

    /// Topics that are selected and left alone, with the reason.
    pub(super) fn left_out(&self) -> Vec<FailedPart> {
        let all = self.sources.iter().flat_map(|(_, source)| &source.left_out);
        all.map(|(name, reason)| FailedPart { name: name.clone(), reason: reason.clone() })
            .collect()
    }
}
