//! What the coordinator wants, done.

use kafka_wire::partition::SourceBroker;
use mirror_coordinator::coordinator::{Action, UncleanElection};
use mirror_uring::{DivergencePolicy, EngineCommand, NewPartition};

use super::{MirrorError, MirrorLoop, THE_SOURCE};
use crate::mirror_news::MirrorNews;

impl MirrorLoop<'_> {
    pub(super) async fn carry_out(&mut self, action: Action) -> Result<(), MirrorError> {
        match action {
            Action::AddPartition {
                partition,
                leader,
                source_epoch,
                leader_epoch,
                unclean_election,
            } => {
                let Some(entry) = self.book.get(partition) else { return Ok(()) };
                let directory = &self.destination.directory;
                let new = NewPartition {
                    id: partition,
                    name: entry.name.clone(),
                    source_has_topic_ids: entry.source_has_topic_ids,
                    leader: SourceBroker { source: THE_SOURCE, broker: leader },
                    source_epoch,
                    leader_epoch,
                    log_config: entry.log_config,
                    recovery_point: directory.recovery_point(&entry.name),
                    log_start: directory.log_start(&entry.name),
                    clean: directory.is_closed(&entry.name),
                    on_divergence: match unclean_election {
                        UncleanElection::Truncate => DivergencePolicy::Truncate,
                        UncleanElection::Fail => DivergencePolicy::Fail,
                    },
                };
                directory.note_open(&new.name);
                self.note_leader_epoch(partition, leader_epoch);
                self.send(EngineCommand::AddPartition(Box::new(new))).await
            }
            Action::SetSourceLeader { partition, leader, epoch } => {
                let leader = SourceBroker { source: THE_SOURCE, broker: leader };
                self.send(EngineCommand::SetSourceLeader { partition, leader, epoch }).await
            }
            Action::SetLeaderEpoch { partition, epoch } => {
                self.note_leader_epoch(partition, epoch);
                self.send(EngineCommand::SetLeaderEpoch { partition, epoch }).await
            }
            Action::Pause(partition) => self.send(EngineCommand::Pause(partition)).await,
            Action::Resume(partition) => self.send(EngineCommand::Resume(partition)).await,
            Action::RefreshMetadata => {
                self.watch.hurry();
                Ok(())
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
                Ok(())
            }
        }
    }
}
