//! What the engine's reports change.

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::coordinator::{EngineEvent, Input};
use mirror_coordinator::retry::RetryClass;
use mirror_uring::{EngineReport, PartitionEvent, PartitionFailure, Progress};

use super::{MirrorError, MirrorLoop};
use crate::mirror_news::MirrorNews;
use crate::partition_check::topic_id_cure;
use crate::source_connection::error_name;

impl MirrorLoop<'_> {
    pub(super) async fn on_report(&mut self, report: EngineReport) -> Result<(), MirrorError> {
        match report {
            EngineReport::Partition { partition, mut event } => {
                self.note(partition, &event);
                self.add_cure(partition, &mut event);
                match translated(event) {
                    Some(event) => self.step(Input::Engine { partition, event }).await,
                    None => Ok(()),
                }
            }
            EngineReport::BrokerUnreachable { broker, attempt, reason } => {
                let broker = broker.broker.get();
                self.tell(MirrorNews::BrokerUnreachable { broker, attempt, reason });
                self.watch.hurry();
                Ok(())
            }
            EngineReport::BrokerReachable { broker } => {
                self.tell(MirrorNews::BrokerReachable { broker: broker.broker.get() });
                Ok(())
            }
            // Shards end only when told to; a shard that ended by itself closes the channel.
            EngineReport::Stopped { .. } => Ok(()),
        }
    }

    /// Says what to do when a log cannot be opened because nobody can tell whose it is.
    fn add_cure(&self, partition: TopicIdPartition, event: &mut PartitionEvent) {
        if let PartitionEvent::Failed(PartitionFailure::Unloadable { reason }) = event
            && let Some(entry) = self.book.get(partition)
            && let root = self.destination.directory.root()
            && let Some(cure) = topic_id_cure(root, &entry.name, partition.topic_id)
        {
            reason.push_str(": ");
            reason.push_str(&cure);
        }
    }

    /// Books what an event says of a partition and tells what people should know.
    pub(super) fn note(&mut self, partition: TopicIdPartition, event: &PartitionEvent) {
        let Some(entry) = self.book.get_mut(partition) else { return };
        let directory = &self.destination.directory;
        if let PartitionEvent::Loaded { progress, .. } | PartitionEvent::Progress(progress) = event
        {
            self.destination.catalog.note_producer_id(progress.producer_id_max);
        }
        let name = entry.name.to_string();
        match event {
            PartitionEvent::Loaded { progress, findings, epochs } => {
                let checkpoint = entry.note_loaded(*progress);
                directory.note(&entry.name, checkpoint);
                entry.publisher.on_loaded(progress, EpochHistory::clone(epochs));
                for finding in findings {
                    let finding = crate::finding_text::finding_text(finding);
                    self.tell(MirrorNews::Repaired { partition: name.clone(), finding });
                }
            }
            PartitionEvent::Progress(progress) | PartitionEvent::Paused(progress) => {
                let checkpoint = entry.note_progress(*progress);
                directory.note(&entry.name, checkpoint);
                entry.publisher.on_progress(progress);
            }
            PartitionEvent::EpochBegan { epoch, start } => {
                entry.publisher.on_epoch_began(*epoch, *start);
            }
            PartitionEvent::Reloading | PartitionEvent::Removed(_) => entry.publisher.close(),
            PartitionEvent::Truncated { from, to, .. } => {
                // At once: what is written after the cut is not durable yet.
                directory.note_cut(&entry.name, to.offset());
                self.write_checkpoints();
                let (from, to) = (from.offset().get(), to.offset().get());
                self.tell(MirrorNews::Truncated { partition: name, from, to });
                self.tell_of_cut(partition);
            }
            PartitionEvent::Gap { from, to } => {
                let (from, to) = (from.get(), to.get());
                self.tell(MirrorNews::Gap { partition: name, from, to });
            }
            PartitionEvent::Corrupt { at, reason, count } => self.tell(MirrorNews::Corrupt {
                partition: name,
                at: at.get(),
                reason: reason.clone(),
                count: *count,
            }),
            PartitionEvent::DiskFault { reason, full } => {
                let directory = directory.root().join(&name);
                let reason = format!("{reason} (in {}/)", directory.display());
                self.tell(MirrorNews::DiskFault { place: name, reason, full: *full });
            }
            PartitionEvent::SourceError { error_code } => {
                let error = error_name(*error_code);
                self.tell(MirrorNews::SourceError { partition: name, error });
            }
            PartitionEvent::Failed(PartitionFailure::Unloadable { .. }) => entry.publisher.close(),
            PartitionEvent::LeaderUnknown { .. }
            | PartitionEvent::LeaderMoved { .. }
            | PartitionEvent::Fenced { .. }
            | PartitionEvent::Failed(_) => {}
        }
    }
}

/// An engine's event as the coordinator knows it; `None` when its decisions do not depend on it.
fn translated(event: PartitionEvent) -> Option<EngineEvent> {
    Some(match event {
        PartitionEvent::Loaded { progress: Progress { last_epoch, .. }, .. } => {
            EngineEvent::Loaded { last_epoch }
        }
        PartitionEvent::Progress(Progress { last_epoch, .. }) => {
            EngineEvent::Progressed { last_epoch }
        }
        PartitionEvent::LeaderUnknown { .. } => EngineEvent::LeaderUnknown,
        PartitionEvent::LeaderMoved { leader, epoch } => {
            EngineEvent::LeaderMoved { leader: leader.broker, epoch }
        }
        PartitionEvent::Fenced { batch_epoch, .. } => EngineEvent::Fenced { batch_epoch },
        PartitionEvent::Truncated { .. } => EngineEvent::Truncated,
        PartitionEvent::Failed(failure) => {
            // What may pass by itself the engine tries again by itself.
            EngineEvent::Failed { reason: failure.to_string(), class: RetryClass::NonRetryable }
        }
        PartitionEvent::Paused(_) => EngineEvent::Paused,
        PartitionEvent::Gap { .. }
        | PartitionEvent::Corrupt { .. }
        | PartitionEvent::DiskFault { .. }
        | PartitionEvent::SourceError { .. }
        | PartitionEvent::EpochBegan { .. }
        | PartitionEvent::Reloading
        | PartitionEvent::Removed(_) => return None,
    })
}
