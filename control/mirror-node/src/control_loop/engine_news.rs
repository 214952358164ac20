//! What the engine's reports change.

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_wire::partition::{BrokerId, TopicIdPartition};
use mirror_coordinator::lifecycle::{EngineEvent, Input, LogEnd};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryClass;
use mirror_uring::{EngineCommand, EngineReport, PartitionEvent, PartitionFailure, Progress};
use tokio::time::Instant;

use super::MirrorLoop;
use crate::mirror_news::MirrorNews;
use crate::partition_book::Pauses;
use crate::partition_check::topic_id_cure;
use crate::source_connection::error_name;

impl MirrorLoop<'_> {
    pub(super) fn on_report(&mut self, report: EngineReport) {
        match report {
            EngineReport::Partition { partition, mut event } => {
                self.note(partition, &event);
                self.look_into_refusal(partition, &event);
                self.add_cure(partition, &mut event);
                if let Some(event) = self.translated(event) {
                    self.inputs.push_back(Input::Engine { partition, event });
                }
            }
            EngineReport::BrokerUnreachable { broker, attempt, reason } => {
                if let Some((mirror, source)) = self.sources.of_number(broker.source) {
                    source.hurry();
                    if self.node.is_some() && attempt >= UNREACHABLE_ATTEMPTS {
                        let led = self.led_by(mirror, broker.broker);
                        self.fail_led(led, broker.broker, &reason);
                    }
                }
                let broker = broker.broker.get();
                self.tell(MirrorNews::BrokerUnreachable { broker, attempt, reason });
            }
            EngineReport::BrokerReachable { broker } => {
                self.tell(MirrorNews::BrokerReachable { broker: broker.broker.get() });
            }
            // Shards end only when told to; a shard that ended by itself closes the channel.
            EngineReport::Stopped { .. } => {}
        }
    }

    /// Notes that the source refuses a partition, and has somebody find out soon why.
    fn look_into_refusal(&mut self, partition: TopicIdPartition, event: &PartitionEvent) {
        let (PartitionEvent::SourceError { error_code }
        | PartitionEvent::LeaderUnknown { error_code }) = *event
        else {
            return;
        };
        let now = Instant::now();
        if let Some(pauses) = self.pauses_of(partition)
            && let Some(entry) = self.book.get_mut(partition)
        {
            entry.note_refused(now, &pauses);
        }
        if error_code == TOPIC_AUTHORIZATION_FAILED {
            self.on_partition_denied(partition);
        }
        if TOPIC_GONE.contains(&error_code)
            && let Some(mirror) = self.lifecycle.mirror_of(partition)
            && let Some(source) = self.sources.get_mut(mirror)
        {
            source.hurry_at_times(now);
        }
    }

    /// How long the engine waits before it asks for a partition again.
    fn pauses_of(&self, partition: TopicIdPartition) -> Option<Pauses> {
        let source = self.sources.get(self.lifecycle.mirror_of(partition)?)?;
        source.limits.as_ref().map(Pauses::of)
    }

    /// The partitions that are fetched from a broker of a mirror's source.
    fn led_by(&self, mirror: &MirrorName, broker: BrokerId) -> Vec<TopicIdPartition> {
        let is_led = |id: &TopicIdPartition| {
            let entry = self.book.get(*id).filter(|entry| entry.is_in_engine);
            self.lifecycle.state(*id) == MirrorPartitionState::Mirroring
                && entry.is_some_and(|entry| entry.leader == Some(broker))
        };
        self.lifecycle.partitions_of(mirror).filter(is_led).collect()
    }

    /// Has partitions fail whose leader cannot be reached: who looks at them must see it, and the
    /// lifecycle plans when they are tried again.
    fn fail_led(&mut self, led: Vec<TopicIdPartition>, broker: BrokerId, reason: &str) {
        for partition in led {
            let reason = format!("source broker {} cannot be reached: {reason}", broker.get());
            let event = EngineEvent::Failed { reason, class: RetryClass::Retryable };
            self.commands.push(EngineCommand::Pause(partition));
            self.inputs.push_back(Input::Engine { partition, event });
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
            PartitionEvent::Reloading => entry.publisher.close(),
            // Readers keep what they have: nobody changes the files until somebody opens them.
            PartitionEvent::Removed(progress) => {
                entry.is_in_engine = false;
                entry.left_engine = Some(Instant::now());
                entry.publisher.rest();
                if let Some(progress) = progress {
                    let checkpoint = entry.note_progress(*progress);
                    directory.note(&entry.name, checkpoint);
                    directory.note_closed(&entry.name);
                }
            }
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

    /// An engine's event as the lifecycle knows it; `None` when its decisions do not depend on it.
    fn translated(&self, event: PartitionEvent) -> Option<EngineEvent> {
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
                let class = RetryClass::NonRetryable;
                let is_diverged = matches!(failure, PartitionFailure::Diverged { .. });
                let cure = if is_diverged && self.node.is_some() { DIVERGED_CURE } else { "" };
                EngineEvent::Failed { reason: format!("{failure}{cure}"), class }
            }
            PartitionEvent::Paused(_) => EngineEvent::Paused,
            PartitionEvent::Removed(progress) => {
                let end = progress.map(|progress| LogEnd {
                    last_epoch: progress.last_epoch,
                    offset: progress.log_end.offset(),
                });
                EngineEvent::Removed { end }
            }
            PartitionEvent::Gap { .. }
            | PartitionEvent::Corrupt { .. }
            | PartitionEvent::DiskFault { .. }
            | PartitionEvent::SourceError { .. }
            | PartitionEvent::EpochBegan { .. }
            | PartitionEvent::Reloading => return None,
        })
    }
}

/// The source does not let us read a topic.
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
/// What a broker says of a topic that it does not have, or has under another id: it may be new to
/// the broker, or it was deleted. UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID,
/// INCONSISTENT_TOPIC_ID.
const TOPIC_GONE: [i16; 3] = [3, 100, 103];
/// What the operator of a node can do about a source that lost records.
const DIVERGED_CURE: &str =
    " To follow it, set mirror.support.unclean.leader.election=true on the topic and recover it";

/// Attempts in a row that a broker of a source did not answer before its partitions count as
/// failed: one that restarts quickly is not worth a word to each of them.
const UNREACHABLE_ATTEMPTS: u32 = 3;
