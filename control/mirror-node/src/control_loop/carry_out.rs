//! What the coordinator wants, done.

use mirror_coordinator::coordinator::{Action, UncleanElection};
use mirror_uring::{DivergencePolicy, EngineCommand, NewPartition};

use super::{MirrorError, MirrorLoop};
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
                let checkpoints = self.book.checkpoints();
                let new = NewPartition {
                    id: partition,
                    name: entry.name.clone(),
                    source_has_topic_ids: entry.source_has_topic_ids,
                    leader,
                    source_epoch,
                    leader_epoch,
                    log_config: entry.log_config,
                    recovery_point: checkpoints.recovery_points.get(&entry.name).copied(),
                    log_start: checkpoints
                        .log_starts
                        .get(&entry.name)
                        .map(|at| kafka_wire::offset::LogStartOffset::new(*at)),
                    clean: self.was_clean,
                    on_divergence: match unclean_election {
                        UncleanElection::Truncate => DivergencePolicy::Truncate,
                        UncleanElection::Fail => DivergencePolicy::Fail,
                    },
                };
                self.send(EngineCommand::AddPartition(Box::new(new))).await
            }
            Action::SetSourceLeader { partition, leader, epoch } => {
                self.send(EngineCommand::SetSourceLeader { partition, leader, epoch }).await
            }
            Action::SetLeaderEpoch { partition, epoch } => {
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
