//! What the lifecycle wants, done.

use std::sync::Arc;

use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicIdPartition, TopicName};
use mirror_coordinator::lifecycle::{Action, EngineEvent, Input, LogEnd, Ticket, UncleanElection};
use mirror_uring::{DivergencePolicy, EngineCommand, NewPartition};

use super::loop_event::{LogWork, LogWorked};
use super::work_queue::SealOrder;
use super::{MirrorError, MirrorLoop};
use crate::catalog::Partition;
use crate::local_topics::LocalTopics;
use crate::local_topics::keeper::now_ms;
use crate::log_publisher::LogPublisher;
use crate::mirror_news::MirrorNews;

impl MirrorLoop<'_> {
    pub(super) async fn carry_out(&mut self, action: Action) -> Result<(), MirrorError> {
        match action {
            Action::Persist { ticket, write } => self.persisting.add(ticket, *write),
            Action::Align { partition, ticket } => self.aligning.add(partition, ticket),
            Action::CancelAlignment { partition, ticket } => {
                self.aligning.cancel(partition, ticket)
            }
            // One replica: what it has is what all have.
            Action::AwaitReplicas { partition, ticket, .. } => {
                self.inputs.push_back(Input::ReplicasConverged { partition, ticket });
            }
            Action::CloseForMirroring(partition) => {
                if !self.is_closed_to_clients(partition) {
                    self.work_on_log(partition, LogWork::CloseForMirroring);
                }
            }
            Action::MeasureLog { partition, ticket } => {
                self.work_on_log(partition, LogWork::Measure(ticket));
            }
            Action::SealLog { partition, ticket, leader_epoch } => {
                self.note_leader_epoch(partition, leader_epoch);
                self.seal_log(partition, ticket);
            }
            Action::OpenForWriting { partition, ticket, leader_epoch } => {
                self.note_leader_epoch(partition, leader_epoch);
                self.open_for_writing(partition, ticket);
            }
            Action::RaiseLeaderEpoch { partition, ticket, above } => {
                self.raise_leader_epoch(partition, ticket, above);
            }
            Action::AddPartition { .. } => self.add_partition(action).await?,
            Action::SetSourceLeader { partition, leader, epoch } => {
                self.send(EngineCommand::SetSourceLeader { partition, leader, epoch }).await?;
            }
            Action::SetLeaderEpoch { partition, epoch } => {
                self.note_leader_epoch(partition, epoch);
                self.send(EngineCommand::SetLeaderEpoch { partition, epoch }).await?;
            }
            Action::SetUncleanElection { partition, unclean_election } => {
                let policy = divergence_policy(unclean_election);
                self.send(EngineCommand::SetDivergencePolicy { partition, policy }).await?;
            }
            Action::PauseFetcher(partition) => self.send(EngineCommand::Pause(partition)).await?,
            Action::ResumeFetcher(partition) => self.send(EngineCommand::Resume(partition)).await?,
            Action::RemoveFetcher(partition) => self.remove_fetcher(partition).await?,
            Action::RefreshMetadata(mirror) => {
                if let Some(source) = self.sources.get(&mirror) {
                    source.hurry();
                }
            }
            Action::StateChanged { partition, from, to, reason, retry_at_ms } => {
                let Some(entry) = self.book.get(partition) else { return Ok(()) };
                let news = MirrorNews::StateChanged {
                    partition: entry.name.to_string(),
                    from: from.name(),
                    to: to.name(),
                    reason,
                    retry_in_ms: retry_at_ms.map(|at_ms| at_ms.saturating_sub(self.now_ms())),
                };
                self.tell(news);
            }
        }
        Ok(())
    }

    async fn add_partition(&mut self, action: Action) -> Result<(), MirrorError> {
        let Action::AddPartition {
            partition,
            leader,
            source_epoch,
            leader_epoch,
            unclean_election,
        } = action
        else {
            return Ok(());
        };
        let source_topic = self.topic_at_source(partition);
        let Some(entry) = self.book.get_mut(partition) else { return Ok(()) };
        let directory = &self.destination.directory;
        let new = NewPartition {
            id: partition,
            name: entry.name.clone(),
            source_topic,
            source_has_topic_ids: entry.source_has_topic_ids,
            leader,
            source_epoch,
            leader_epoch,
            log_config: entry.log_config,
            recovery_point: directory.recovery_point(&entry.name),
            log_start: directory.log_start(&entry.name),
            clean: directory.is_closed(&entry.name),
            on_divergence: divergence_policy(unclean_election),
        };
        entry.is_in_engine = true;
        if let Some(shown) = self.destination.catalog.partition(partition) {
            // Others may have written the log meanwhile.
            entry.publisher = LogPublisher::new(Arc::clone(&shown.view));
        }
        directory.note_open(&new.name);
        self.note_leader_epoch(partition, leader_epoch);
        let throttled = self.is_throttled(&new.name);
        self.send(EngineCommand::AddPartition(Box::new(new))).await?;
        if throttled {
            self.send(EngineCommand::SetThrottled { partition, throttled }).await?;
        }
        Ok(())
    }

    /// What the source calls a partition's topic, if that is not its name here.
    fn topic_at_source(&self, partition: TopicIdPartition) -> Option<TopicName> {
        let source = self.sources.get(self.lifecycle.mirror_of(partition)?)?;
        let here = &self.book.get(partition)?.name.topic;
        let at_source = source.properties.topic_prefix.name_at_source(here);
        at_source.filter(|at_source| at_source != here)
    }

    /// Has the engine close the log; of one that it never had, says where it ends.
    async fn remove_fetcher(&mut self, partition: TopicIdPartition) -> Result<(), MirrorError> {
        let Some(entry) = self.book.get(partition) else { return Ok(()) };
        if entry.is_in_engine {
            return self.send(EngineCommand::Remove { partition, delete: false }).await;
        }
        let event = EngineEvent::Removed { end: None };
        self.inputs.push_back(Input::Engine { partition, event });
        Ok(())
    }

    /// Has a log sealed: with others that wait, when nobody has it open.
    fn seal_log(&mut self, id: TopicIdPartition, ticket: Ticket) {
        let shown = self.destination.catalog.partition(id);
        match shown.filter(|_| self.node.is_some() && self.is_closed_to_clients(id)) {
            Some(partition) => {
                let leader_epoch = self.known_leader_epoch(id);
                self.work.add_seal(SealOrder { partition, ticket, leader_epoch });
            }
            None => self.work_on_log(id, LogWork::Seal(ticket)),
        }
    }

    /// Lets clients write to a log; at once when it was left open for that.
    fn open_for_writing(&mut self, id: TopicIdPartition, ticket: Ticket) {
        let work = LogWork::OpenForWriting(ticket);
        let leader_epoch = self.known_leader_epoch(id);
        let shown = self.destination.catalog.partition(id).filter(|_| self.work.is_done_with(id));
        if let (Some(node), Some(shown)) = (&self.node, shown)
            && node.topics().open_if_held(&shown, leader_epoch)
        {
            self.inputs.extend(work.done(id, Ok(())));
        } else {
            self.work_on_log(id, work);
        }
    }

    /// True when no client writes to a log, and nothing is under way that would let one.
    fn is_closed_to_clients(&self, id: TopicIdPartition) -> bool {
        let shown = self.destination.catalog.partition(id);
        self.work.is_done_with(id) && shown.is_none_or(|shown| shown.held_log().is_none())
    }

    /// True when a log was never begun, and nothing is under way that would begin it.
    pub(super) fn is_unmade(&self, id: TopicIdPartition) -> bool {
        let shown = self.destination.catalog.partition(id);
        self.is_closed_to_clients(id) && shown.is_some_and(|shown| shown.is_unmade())
    }

    /// Has a log worked on that the engine does not have.
    pub(super) fn work_on_log(&mut self, id: TopicIdPartition, work: LogWork) {
        let partition = self.destination.catalog.partition(id);
        let (Some(node), Some(shown)) = (&self.node, partition) else {
            self.inputs.extend(work.failed(id, "there is no such log here".to_owned()));
            return;
        };
        let topics = Arc::clone(node.topics());
        let leader_epoch = self.known_leader_epoch(id);
        self.work.add(id, move || {
            let answer = match work {
                LogWork::CloseForMirroring => {
                    if let Err(reason) = topics.close_for_mirroring(&shown) {
                        tracing::warn!("{}: {reason}", shown.name);
                    }
                    None
                }
                LogWork::Measure(_) => match log_end(&shown) {
                    Ok(end) => work.measured(id, end),
                    Err(reason) => work.failed(id, reason),
                },
                LogWork::Seal(_) => {
                    let sealed = topics.seal(&shown, leader_epoch, now_ms());
                    work.done(id, sealed.map(|_| ()))
                }
                LogWork::OpenForWriting(_) => {
                    work.done(id, topics.open_for_writing(&shown, leader_epoch))
                }
            };
            LogWorked::answered(id, answer)
        });
    }

    pub(super) fn on_log_worked(&mut self, worked: LogWorked) {
        self.work.note_done(worked.partition);
        self.inputs.extend(worked.answer);
        if worked.is_left_closed {
            self.left_closed.add(worked.partition);
        }
    }
}

/// Seals logs, one alone as any other work, many with shared syncs.
pub(super) fn seal_all(topics: &LocalTopics, orders: Vec<SealOrder>) -> Vec<LogWorked> {
    let logs = orders.iter().map(|one| (Arc::clone(&one.partition), one.leader_epoch));
    let logs: Vec<_> = logs.collect();
    let outcomes = match logs.len() < SEALED_TOGETHER_MIN {
        true => logs.iter().map(|(log, epoch)| topics.seal(log, *epoch, now_ms())).collect(),
        false => topics.seal_together(&logs, now_ms()),
    };
    let worked = orders.into_iter().zip(outcomes).map(|(order, outcome)| {
        let id = order.partition.id;
        LogWorked::answered(id, LogWork::Seal(order.ticket).done(id, outcome.map(|_| ())))
    });
    worked.collect()
}

/// Fewer logs are sealed one by one: syncing the file system writes what others have in the page
/// cache.
const SEALED_TOGETHER_MIN: usize = 16;

/// Where a log ends that nobody writes: what readers are shown. A log that was never made is empty.
fn log_end(partition: &Partition) -> Result<LogEnd, String> {
    match partition.view.state() {
        Some(state) => {
            let last_epoch = state.epochs.latest();
            Ok(LogEnd { last_epoch, offset: state.log_end.offset() })
        }
        None if partition.is_unmade() => Ok(LogEnd { last_epoch: None, offset: Offset::ZERO }),
        None => Err(format!("{}: the log cannot be read", partition.name)),
    }
}

const fn divergence_policy(unclean_election: UncleanElection) -> DivergencePolicy {
    match unclean_election {
        UncleanElection::Truncate => DivergencePolicy::Truncate,
        UncleanElection::Fail => DivergencePolicy::Fail,
    }
}
