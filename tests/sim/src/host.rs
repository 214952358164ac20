//! The host: what it wants mirrored, what it remembers on its own disk, how it answers reports.

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::log_config::LogConfig;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::LogStartOffset;
use mirror_shard::bridge::{DivergencePolicy, EngineCommand, NewPartition};
use mirror_shard::op::BrokerAddress;

use crate::history::offset;
use crate::plan::Plan;
use crate::random::Random;
use crate::source::{Broker, Source, SourcePartition};

/// The host's view of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    pub(crate) index: i32,
    pub(crate) policy: DivergencePolicy,
    pub(crate) config: LogConfig,
    pub(crate) source_has_topic_ids: bool,
    pub(crate) leader_epoch: i32,
    /// The engine has it, or is about to.
    pub(crate) added: bool,
    /// The engine was told about it.
    pub(crate) known: bool,
    pub(crate) loaded: bool,
    /// The disk refused it something: its log is not open until it is loaded again.
    pub(crate) faulted: bool,
    pub(crate) failed: bool,
    pub(crate) pause_sent: bool,
    pub(crate) remove_sent: bool,
    pub(crate) delete_sent: bool,
    /// Added again while it is being removed.
    pub(crate) again: bool,
    /// As last reported.
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    /// Reported durable, and not cut since.
    pub(crate) durable: i64,
    /// What the host wrote to its checkpoints.
    pub(crate) saved_point: Option<i64>,
    /// What was saved when its life was ordered: all that a log which never loaded knows. Lives are
    /// ordered before the one in front has ended, and that one may still get further.
    pub(crate) added_point: Option<i64>,
    pub(crate) saved_start: Option<i64>,
    /// Largest start reported: below it epochs may be forgotten, even if the host's record of the
    /// start is older.
    pub(crate) start_seen: i64,
    /// End of the last gap reported.
    pub(crate) gap_to: i64,
    /// Its log was cut while the engine stopped.
    pub(crate) cut_at_stop: bool,
    /// A load that cuts was started and not reported.
    pub(crate) cutting: bool,
    /// Its files were closed or deleted in order and not opened since: nothing is to be repaired.
    pub(crate) closed: bool,
    /// Its log is open, as far as was told: loaded, and not about to be loaded again.
    pub(crate) open: bool,
    /// As last reported.
    pub(crate) last_stable: i64,
    /// Which epoch wrote what, as reported.
    pub(crate) epochs: EpochHistory,
}

impl Mirror {
    /// What is deleted leaves nothing in the checkpoints, whatever is still reported.
    pub(crate) fn forget_if_deleted(&mut self) {
        if self.delete_sent {
            (self.saved_point, self.saved_start) = (None, None);
        }
    }
}

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) stopping: bool,
    pub(crate) stopped: Option<bool>,
    /// The engine before closed everything.
    pub(crate) clean: bool,
    pub(crate) healed_at: u64,
    tells_epochs: bool,
}

impl Host {
    pub(crate) fn new(plan: &Plan, source: &Source, random: &mut Random) -> Self {
        let policy = if plan.fails_on_divergence {
            DivergencePolicy::Fail
        } else {
            DivergencePolicy::Truncate
        };
        let ids = plan.source.fetch_version_max >= 13 && !random.percent(10);
        let mirrors = source.partitions.iter().map(|partition| Mirror {
            index: partition.id.partition.get(),
            policy,
            config: plan.log_config,
            source_has_topic_ids: ids,
            leader_epoch: if random.percent(30) { 0 } else { 1_000 },
            added: false,
            known: false,
            loaded: false,
            faulted: false,
            failed: false,
            pause_sent: false,
            remove_sent: false,
            delete_sent: false,
            again: false,
            log_start: 0,
            log_end: 0,
            durable: 0,
            saved_point: None,
            added_point: None,
            saved_start: None,
            start_seen: 0,
            gap_to: 0,
            cut_at_stop: false,
            cutting: false,
            closed: true,
            open: false,
            last_stable: 0,
            epochs: EpochHistory::default(),
        });
        Self {
            mirrors: mirrors.collect(),
            stopping: false,
            stopped: None,
            clean: false,
            healed_at: 0,
            tells_epochs: plan.source.fetch_version_max >= 9,
        }
    }

    pub(crate) fn mirror(&mut self, index: i32) -> &mut Mirror {
        let found = self.mirrors.iter_mut().find(|mirror| mirror.index == index);
        found.expect("reports are about partitions that were added")
    }

    /// The first commands to a new engine.
    pub(crate) fn greet(&mut self, source: &Source, random: &mut Random) -> Vec<EngineCommand> {
        self.stopping = false;
        self.stopped = None;
        let mut commands = Vec::new();
        for cluster in 0..source.traits.cluster_count {
            for id in 0..source.traits.broker_count {
                let broker = Broker { source: cluster, id };
                let address = BrokerAddress { host: broker.host().into(), port: 9092 };
                commands.push(EngineCommand::SetBroker { broker: broker.named(), address });
            }
        }
        for place in 0..self.mirrors.len() {
            let clean = self.clean;
            let command = self.add(place, &source.partitions[place], clean);
            commands.push(command);
        }
        random.shuffle(&mut commands);
        commands
    }

    /// Has the engine mirror a partition from now on.
    pub(crate) fn add(
        &mut self,
        place: usize,
        partition: &SourcePartition,
        clean: bool,
    ) -> EngineCommand {
        self.begin_life(place);
        self.mirrors[place].known = false;
        self.life(place, partition, clean)
    }

    /// The engine has the partition anew, or is about to.
    pub(crate) fn begin_life(&mut self, place: usize) {
        let mirror = &mut self.mirrors[place];
        mirror.added = true;
        mirror.again = false;
        (mirror.loaded, mirror.open) = (false, false);
        mirror.faulted = false;
        mirror.failed = false;
        mirror.pause_sent = false;
        mirror.cut_at_stop = false;
        (mirror.remove_sent, mirror.delete_sent) = (false, false);
    }

    /// The order that begins a life, with what the host has saved.
    pub(crate) fn life(
        &self,
        place: usize,
        partition: &SourcePartition,
        clean: bool,
    ) -> EngineCommand {
        let mirror = &self.mirrors[place];
        let source_epoch = SourceLeaderEpoch::from_wire(partition.epoch);
        EngineCommand::AddPartition(Box::new(NewPartition {
            id: partition.id,
            name: partition.name.clone(),
            source_topic: None,
            source_has_topic_ids: mirror.source_has_topic_ids,
            leader: partition.leader().named(),
            source_epoch: source_epoch.filter(|_| self.tells_epochs),
            leader_epoch: LeaderEpoch::from_wire(mirror.leader_epoch).expect("not negative"),
            log_config: mirror.config,
            recovery_point: mirror.saved_point.map(offset),
            log_start: mirror.saved_start.map(|start| LogStartOffset::new(offset(start))),
            clean,
            on_divergence: mirror.policy,
        }))
    }

    /// What the host does to its own records when a command goes out.
    pub(crate) fn on_sent(&mut self, command: &EngineCommand) {
        match command {
            EngineCommand::AddPartition(new) => {
                let mirror = self.mirror(new.id.partition.get());
                mirror.known = true;
                mirror.added_point = new.recovery_point.map(kafka_wire::offset::Offset::get);
            }
            EngineCommand::Remove { partition, delete } => {
                let mirror = self.mirror(partition.partition.get());
                mirror.remove_sent = true;
                mirror.delete_sent |= *delete;
                mirror.forget_if_deleted();
            }
            EngineCommand::Pause(partition) => {
                self.mirror(partition.partition.get()).pause_sent = true;
            }
            EngineCommand::Resume(partition) => {
                let mirror = self.mirror(partition.partition.get());
                (mirror.pause_sent, mirror.failed) = (false, false);
            }
            _ => {}
        }
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stopping = true;
    }

    pub(crate) fn on_crash(&mut self) {
        self.clean = false;
        for mirror in &mut self.mirrors {
            mirror.durable = if mirror.cutting { 0 } else { mirror.saved_point.unwrap_or(0) };
            mirror.log_end = 0;
        }
    }

    /// Everything is wanted again.
    pub(crate) fn heal(&mut self, now: u64, source: &Source) -> Vec<EngineCommand> {
        self.healed_at = now;
        let mut commands = Vec::new();
        for partition in &source.partitions {
            commands.push(EngineCommand::Resume(partition.id));
        }
        commands
    }
}
