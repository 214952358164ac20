//! What the host orders, and partitions that it adds again before they are gone.

use kafka_log::recovery::{LoadRequest, LogCut};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicIdPartition;

use crate::bridge::{EngineCommand, EngineReport, NewPartition, PartitionEvent, PartitionFailure};
use crate::mirror_partition::{Goal, MirrorPartition, Phase};
use crate::op::PartitionSlot;
use crate::shard::Shard;

impl Shard {
    pub(crate) fn obey(&mut self, command: EngineCommand) {
        match command {
            EngineCommand::SetBroker { broker, address } => self.set_broker(broker, address),
            EngineCommand::SetSource { source, limits } => self.set_source(source, limits),
            EngineCommand::RemoveSource(source) => self.remove_source(source),
            EngineCommand::SetThrottle { bytes_per_second } => {
                self.throttle.set_rate(bytes_per_second, self.now);
            }
            EngineCommand::AddPartition(spec) => self.add_partition(*spec),
            EngineCommand::SetSourceLeader { partition, .. }
            | EngineCommand::SetLeaderEpoch { partition, .. }
            | EngineCommand::SetDivergencePolicy { partition, .. }
            | EngineCommand::SetThrottled { partition, .. }
            | EngineCommand::Pause(partition)
            | EngineCommand::Resume(partition)
            | EngineCommand::Truncate { partition, .. } => {
                let Some(slot) = self.partitions.find(&partition) else { return };
                let Some(held) = self.partitions.get_mut(slot) else { return };
                match &mut held.next_life {
                    Some(next) => next.obey(&command),
                    None => self.obey_about(slot, command),
                }
            }
            EngineCommand::Remove { partition, delete } => self.remove_partition(partition, delete),
            EngineCommand::Stop => {
                self.stopping = true;
                for slot in self.partitions.slots() {
                    self.skip_next_life(slot);
                    self.aim(slot, Goal::Close);
                }
            }
        }
    }

    /// Obeys an order about a partition that is not being removed to be added again.
    fn obey_about(&mut self, slot: PartitionSlot, command: EngineCommand) {
        match command {
            EngineCommand::SetSourceLeader { leader, epoch, .. } => {
                self.move_leader(slot, leader, Some(epoch));
            }
            EngineCommand::SetLeaderEpoch { epoch, .. } => {
                let Some(held) = self.partitions.get_mut(slot) else { return };
                held.raise_leader_epoch(epoch);
                if held.phase == Phase::Fenced {
                    self.start_fetching(slot);
                }
            }
            EngineCommand::SetDivergencePolicy { policy, .. } => {
                let Some(held) = self.partitions.get_mut(slot) else { return };
                held.spec.on_divergence = policy;
            }
            EngineCommand::SetThrottled { throttled, .. } => self.set_throttled(slot, throttled),
            EngineCommand::Pause(_) => self.aim(slot, Goal::Pause),
            EngineCommand::Resume(_) => self.resume(slot),
            EngineCommand::Truncate { to, .. } => self.truncate_by_order(slot, to),
            _ => unreachable!("the caller passes on orders about one partition"),
        }
    }

    /// Moves the partition to the other kind of fetch session.
    fn set_throttled(&mut self, slot: PartitionSlot, throttled: bool) {
        let Some(held) = self.partitions.get_mut(slot) else { return };
        if held.throttled == throttled {
            return;
        }
        held.throttled = throttled;
        if held.lane.is_none() {
            return;
        }
        let phase = held.phase;
        self.join_lane(slot);
        // The connection may be another one now: what was asked is asked there.
        match phase {
            Phase::Aligning => self.queue_alignment(slot),
            Phase::Repairing => self.queue_repair(slot),
            _ => {}
        }
    }

    fn remove_partition(&mut self, id: TopicIdPartition, delete: bool) {
        let Some(slot) = self.partitions.find(&id) else {
            // It was refused when it was added: whoever waits for its end need not wait.
            let event = PartitionEvent::Removed(None);
            return self.reports.push(EngineReport::Partition { partition: id, event });
        };
        self.skip_next_life(slot);
        self.aim(slot, if delete { Goal::Delete } else { Goal::Close });
    }

    fn skip_next_life(&mut self, slot: PartitionSlot) {
        let Some(held) = self.partitions.get_mut(slot) else { return };
        held.lives_skipped += u32::from(held.next_life.take().is_some());
    }

    fn add_partition(&mut self, spec: NewPartition) {
        if let Some(slot) = self.partitions.find(&spec.id) {
            let Some(held) = self.partitions.get_mut(slot) else { return };
            if held.is_ending() && held.next_life.is_none() {
                held.next_life = Some(Box::new(NextLife::new(spec)));
            }
            return;
        }
        let full = self.partitions.len() >= self.limits.partition_count_max as usize;
        if full || self.stopping {
            let reason = match self.stopping {
                true => "the engine stops".to_owned(),
                false => format!(
                    "its shard has {} partitions, the most it takes (partition_count_max): use \
                     more cores, or mirror fewer topics",
                    self.limits.partition_count_max
                ),
            };
            let event = PartitionEvent::Failed(PartitionFailure::Unloadable { reason });
            self.reports.push(EngineReport::Partition { partition: spec.id, event });
            return;
        }
        let request = LoadRequest {
            topic_id: spec.id.topic_id,
            config: spec.log_config,
            recovery_point: spec.recovery_point,
            log_start: spec.log_start,
            clean: spec.clean,
            cut: LogCut::Keep,
        };
        let slot = self.partitions.insert(Box::new(MirrorPartition::new(spec)));
        self.load(slot, request);
    }

    pub(crate) fn begin_next_life(&mut self, next: NextLife) {
        let id = next.spec.id;
        self.add_partition(next.spec);
        let Some(slot) = self.partitions.find(&id) else { return };
        self.set_throttled(slot, next.throttled);
        if let Some(to) = next.cut {
            self.truncate_by_order(slot, to);
        }
        if next.paused {
            self.aim(slot, Goal::Pause);
        }
    }
}

/// A partition added again before its removal is done: what it begins with then.
#[derive(Debug)]
pub(crate) struct NextLife {
    pub(crate) spec: NewPartition,
    pub(crate) paused: bool,
    pub(crate) throttled: bool,
    pub(crate) cut: Option<Offset>,
}

impl NextLife {
    const fn new(spec: NewPartition) -> Self {
        Self { spec, paused: false, throttled: false, cut: None }
    }

    /// Changes what the partition will begin with.
    fn obey(&mut self, command: &EngineCommand) {
        match *command {
            EngineCommand::SetSourceLeader { leader, epoch, .. }
                if Some(epoch) >= self.spec.source_epoch =>
            {
                (self.spec.leader, self.spec.source_epoch) = (leader, Some(epoch));
            }
            EngineCommand::SetLeaderEpoch { epoch, .. } => {
                self.spec.leader_epoch = self.spec.leader_epoch.max(epoch);
            }
            EngineCommand::SetDivergencePolicy { policy, .. } => self.spec.on_divergence = policy,
            EngineCommand::SetThrottled { throttled, .. } => self.throttled = throttled,
            EngineCommand::Pause(_) => self.paused = true,
            EngineCommand::Resume(_) => self.paused = false,
            EngineCommand::Truncate { to, .. } => {
                self.cut = Some(self.cut.map_or(to, |other| other.min(to)));
            }
            _ => {}
        }
    }
}

impl MirrorPartition {
    /// The host wants it closed or deleted.
    const fn is_ending(&self) -> bool {
        matches!(self.goal, Goal::Close | Goal::Delete)
    }
}
