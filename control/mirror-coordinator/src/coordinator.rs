//! One input in, the actions it leads to out.

use std::collections::BTreeMap;

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{BrokerId, TopicId, TopicIdPartition};

use crate::epoch_fencing;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{FailureRecord, Jitter, RetryClass, RetryPolicy};

/// The lifecycle of every mirrored partition.
#[derive(Debug)]
pub struct Coordinator {
    retry: RetryPolicy,
    jitter: Jitter,
    partitions: BTreeMap<TopicIdPartition, MirrorPartition>,
}

/// What to do when the source lost records that we have (unclean election at the source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UncleanElection {
    /// Cut our log where the source's history leaves ours and go on.
    Truncate,
    /// Keep our log and stop the partition.
    Fail,
}

/// Something the coordinator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The source's metadata names this partition; repeated at every refresh.
    SourcePartition {
        /// Which partition.
        partition: TopicIdPartition,
        /// The broker that leads it, `None` when it has no leader.
        leader: Option<BrokerId>,
        /// The leader's epoch, `None` when the source does not tell.
        epoch: Option<SourceLeaderEpoch>,
        /// What to do when the source loses records of it.
        unclean_election: UncleanElection,
    },
    /// A topic is no longer what we mirror: deleted, or recreated under another id.
    TopicLost {
        /// Our topic's id.
        topic_id: TopicId,
        /// What was seen, for people.
        reason: String,
    },
    /// News of one partition from the engine.
    Engine {
        /// Which partition.
        partition: TopicIdPartition,
        /// What happened.
        event: EngineEvent,
    },
    /// The operator wants a partition held.
    Pause(TopicIdPartition),
    /// The operator wants a held partition to go on.
    Resume(TopicIdPartition),
    /// Time passed.
    Tick,
}

/// What the engine says of a partition, as far as the lifecycle depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// Its log is open; `last_epoch` is the epoch of its last batch.
    Loaded {
        /// Epoch of the last batch in our log.
        last_epoch: Option<SourceLeaderEpoch>,
    },
    /// Bytes were appended or confirmed; `last_epoch` as above.
    Progressed {
        /// Epoch of the last batch in our log.
        last_epoch: Option<SourceLeaderEpoch>,
    },
    /// No broker is known to lead it.
    LeaderUnknown,
    /// The engine followed the partition to another broker by itself.
    LeaderMoved {
        /// The new leader.
        leader: BrokerId,
        /// Its epoch.
        epoch: SourceLeaderEpoch,
    },
    /// A batch carries an epoch above ours; nothing is appended until ours is raised.
    Fenced {
        /// The batch's epoch.
        batch_epoch: SourceLeaderEpoch,
    },
    /// Our log was cut because the source's history differs.
    Truncated,
    /// It stopped with an error.
    Failed {
        /// Why, for people.
        reason: String,
        /// May a retry cure it?
        class: RetryClass,
    },
    /// The pause asked for is in effect.
    Paused,
}

/// Something the coordinator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand the partition to the engine.
    AddPartition {
        /// Which partition.
        partition: TopicIdPartition,
        /// The broker to fetch from.
        leader: BrokerId,
        /// The leader's epoch.
        source_epoch: Option<SourceLeaderEpoch>,
        /// Our leader epoch.
        leader_epoch: LeaderEpoch,
        /// What to do when the source loses records of it.
        unclean_election: UncleanElection,
    },
    /// Tell the engine where the partition's leader is now.
    SetSourceLeader {
        /// Which partition.
        partition: TopicIdPartition,
        /// Its leader.
        leader: BrokerId,
        /// The leader's epoch.
        epoch: SourceLeaderEpoch,
    },
    /// Tell the engine our raised leader epoch.
    SetLeaderEpoch {
        /// Which partition.
        partition: TopicIdPartition,
        /// The new epoch.
        epoch: LeaderEpoch,
    },
    /// Tell the engine to hold a partition.
    Pause(TopicIdPartition),
    /// Tell the engine to go on with a partition.
    Resume(TopicIdPartition),
    /// Ask the source for its metadata at once.
    RefreshMetadata,
    /// Tell the operator that a partition moved.
    StateChanged {
        /// Which partition.
        partition: TopicIdPartition,
        /// State before.
        from: State,
        /// State after.
        to: State,
        /// Why, when it failed.
        reason: Option<String>,
        /// When it will be tried again, milliseconds on the caller's clock; `None` when never or
        /// when nothing failed.
        retry_at_ms: Option<u64>,
    },
}

/// What the coordinator remembers of one partition.
#[derive(Debug)]
struct MirrorPartition {
    state: State,
    in_engine: bool,
    /// The engine waits to be told a leader, even if it is the one it had.
    leader_wanted: bool,
    leader: Option<BrokerId>,
    source_epoch: Option<SourceLeaderEpoch>,
    leader_epoch: LeaderEpoch,
    unclean_election: UncleanElection,
    failure: Option<FailureRecord>,
}

impl Coordinator {
    /// A coordinator without partitions; `seed` decides its jitter.
    #[must_use]
    pub fn new(retry: RetryPolicy, seed: u64) -> Self {
        Self { retry, jitter: Jitter::new(seed), partitions: BTreeMap::new() }
    }

    /// State of a partition; `Unknown` when it was never named.
    #[must_use]
    pub fn state(&self, partition: TopicIdPartition) -> State {
        self.partitions.get(&partition).map_or(State::Unknown, |known| known.state)
    }

    /// True while a partition is stopped by an error.
    #[must_use]
    pub fn is_failed(&self, partition: TopicIdPartition) -> bool {
        self.state(partition) == State::Failed
    }

    /// Why a failed partition failed; kept until it makes progress again.
    #[must_use]
    pub fn failure(&self, partition: TopicIdPartition) -> Option<&FailureRecord> {
        self.partitions.get(&partition)?.failure.as_ref()
    }

    /// Applies one input at `now_ms` (any monotonic clock) and appends what follows from it.
    pub fn step(&mut self, now_ms: u64, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::SourcePartition { partition, leader, epoch, unclean_election } => {
                let known = self
                    .partitions
                    .entry(partition)
                    .or_insert_with(|| MirrorPartition::new(unclean_election));
                known.on_source_metadata(partition, leader, epoch, actions);
            }
            Input::TopicLost { topic_id, reason } => {
                self.on_topic_lost(now_ms, topic_id, &reason, actions);
            }
            Input::Engine { partition, event } => {
                if let Some(known) = self.partitions.get_mut(&partition) {
                    let clock =
                        RetryClock { now_ms, policy: &self.retry, jitter: &mut self.jitter };
                    known.on_engine(partition, event, clock, actions);
                }
            }
            Input::Pause(partition) => {
                if let Some(known) = self.partitions.get_mut(&partition)
                    && known.move_to(partition, State::Pausing, actions)
                {
                    actions.push(Action::Pause(partition));
                }
            }
            Input::Resume(partition) => self.on_resume(partition, actions),
            Input::Tick => self.retry_due(now_ms, actions),
        }
    }

    fn on_topic_lost(
        &mut self,
        now_ms: u64,
        topic_id: TopicId,
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        for (partition, known) in &mut self.partitions {
            let given_up = known.failure.as_ref().is_some_and(|record| record.attempt.is_none());
            if partition.topic_id != topic_id || (known.state == State::Failed && given_up) {
                continue;
            }
            if known.in_engine && known.state != State::Failed {
                actions.push(Action::Pause(*partition));
            }
            let clock = RetryClock { now_ms, policy: &self.retry, jitter: &mut self.jitter };
            let class = RetryClass::NonRetryable;
            known.fail(*partition, reason.to_owned(), class, clock, actions);
        }
    }

    fn on_resume(&mut self, partition: TopicIdPartition, actions: &mut Vec<Action>) {
        let Some(known) = self.partitions.get_mut(&partition) else { return };
        let target = match (known.state, &known.failure) {
            (State::Failed, Some(failure)) => retry_target(failure.previous_state),
            _ => State::Mirroring,
        };
        if known.state != target && known.move_to(partition, target, actions) {
            known.failure = None;
            known.enter_engine(partition, actions);
        }
    }

    fn retry_due(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for (partition, known) in &mut self.partitions {
            let Some(failure) = &mut known.failure else { continue };
            if known.state != State::Failed || failure.due_ms.is_none_or(|due_ms| due_ms > now_ms) {
                continue;
            }
            failure.due_ms = None;
            let target = retry_target(failure.previous_state);
            known.move_to(*partition, target, actions);
            actions.push(Action::RefreshMetadata);
            known.enter_engine(*partition, actions);
        }
    }
}

/// What a failure needs to know to plan its retry.
struct RetryClock<'a> {
    now_ms: u64,
    policy: &'a RetryPolicy,
    jitter: &'a mut Jitter,
}

impl MirrorPartition {
    fn new(unclean_election: UncleanElection) -> Self {
        Self {
            state: State::Unknown,
            in_engine: false,
            leader_wanted: false,
            leader: None,
            source_epoch: None,
            leader_epoch: LeaderEpoch::ZERO,
            unclean_election,
            failure: None,
        }
    }

    fn on_source_metadata(
        &mut self,
        partition: TopicIdPartition,
        leader: Option<BrokerId>,
        epoch: Option<SourceLeaderEpoch>,
        actions: &mut Vec<Action>,
    ) {
        if epoch < self.source_epoch && epoch.is_some() {
            return; // a broker with old metadata answered
        }
        let told = leader != self.leader || epoch != self.source_epoch || self.leader_wanted;
        let moved = leader.is_some() && told;
        self.leader = leader.or(self.leader);
        self.source_epoch = epoch.or(self.source_epoch);
        if self.state == State::Unknown {
            self.move_to(partition, State::LogAlignment, actions);
        }
        if let Some(epoch) = self.source_epoch {
            self.raise_if_near(partition, epoch, actions);
        }
        if !self.in_engine {
            if self.state == State::LogAlignment {
                self.enter_engine(partition, actions);
            }
        } else if moved && let (Some(leader), Some(epoch)) = (self.leader, self.source_epoch) {
            self.leader_wanted = false;
            actions.push(Action::SetSourceLeader { partition, leader, epoch });
        }
    }

    fn on_engine(
        &mut self,
        partition: TopicIdPartition,
        event: EngineEvent,
        clock: RetryClock<'_>,
        actions: &mut Vec<Action>,
    ) {
        match event {
            EngineEvent::Loaded { last_epoch } => {
                self.note_batch_epoch(partition, last_epoch, actions);
                if self.state == State::LogAlignment {
                    self.move_to(partition, State::Mirroring, actions);
                }
            }
            EngineEvent::Progressed { last_epoch } => {
                self.note_batch_epoch(partition, last_epoch, actions);
                if self.state == State::Mirroring {
                    self.failure = None;
                }
            }
            EngineEvent::LeaderUnknown => {
                self.leader_wanted = true;
                actions.push(Action::RefreshMetadata);
            }
            EngineEvent::LeaderMoved { leader, epoch } => {
                self.leader = Some(leader);
                self.source_epoch = Some(epoch).max(self.source_epoch);
                self.raise_if_near(partition, epoch, actions);
            }
            EngineEvent::Fenced { batch_epoch } => {
                self.on_fenced(partition, batch_epoch, clock, actions);
            }
            EngineEvent::Truncated => {
                // A directory has no other replicas to wait for.
                if self.state == State::Mirroring {
                    self.move_to(partition, State::UleRecovery, actions);
                    self.move_to(partition, State::Mirroring, actions);
                }
            }
            EngineEvent::Failed { reason, class } => {
                self.fail(partition, reason, class, clock, actions);
                actions.push(Action::RefreshMetadata);
            }
            EngineEvent::Paused => {
                if self.state == State::Pausing {
                    self.move_to(partition, State::Paused, actions);
                }
            }
        }
    }

    fn on_fenced(
        &mut self,
        partition: TopicIdPartition,
        batch_epoch: SourceLeaderEpoch,
        clock: RetryClock<'_>,
        actions: &mut Vec<Action>,
    ) {
        if self.state == State::Mirroring {
            self.move_to(partition, State::EpochFencing, actions);
        }
        if self.leader_epoch.covers(batch_epoch) {
            // Raised before the engine's word of it arrived; say it again.
            actions.push(Action::SetLeaderEpoch { partition, epoch: self.leader_epoch });
        } else if !self.raise(partition, batch_epoch, actions) {
            let reason =
                format!("source epoch {batch_epoch} leaves no room to raise ours above it");
            self.fail(partition, reason, RetryClass::NonRetryable, clock, actions);
            return;
        }
        if self.state == State::EpochFencing {
            self.move_to(partition, State::Mirroring, actions);
        }
    }

    fn note_batch_epoch(
        &mut self,
        partition: TopicIdPartition,
        epoch: Option<SourceLeaderEpoch>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(epoch) = epoch {
            self.raise_if_near(partition, epoch, actions);
        }
    }

    fn raise_if_near(
        &mut self,
        partition: TopicIdPartition,
        source: SourceLeaderEpoch,
        actions: &mut Vec<Action>,
    ) {
        if epoch_fencing::needs_bump(source, self.leader_epoch) {
            self.raise(partition, source, actions);
        }
    }

    /// Raises our epoch past `source`; false when there is no epoch left.
    fn raise(
        &mut self,
        partition: TopicIdPartition,
        source: SourceLeaderEpoch,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(epoch) = epoch_fencing::raised(source, self.leader_epoch) else { return false };
        self.leader_epoch = epoch;
        if self.in_engine {
            actions.push(Action::SetLeaderEpoch { partition, epoch });
        }
        true
    }

    /// Hands the partition to the engine, or tells the engine to go on with it.
    fn enter_engine(&mut self, partition: TopicIdPartition, actions: &mut Vec<Action>) {
        if self.in_engine {
            actions.push(Action::Resume(partition));
            return;
        }
        let Some(leader) = self.leader else { return };
        self.in_engine = true;
        actions.push(Action::AddPartition {
            partition,
            leader,
            source_epoch: self.source_epoch,
            leader_epoch: self.leader_epoch,
            unclean_election: self.unclean_election,
        });
    }

    fn fail(
        &mut self,
        partition: TopicIdPartition,
        reason: String,
        class: RetryClass,
        clock: RetryClock<'_>,
        actions: &mut Vec<Action>,
    ) {
        let attempts_max = clock.policy.attempts_max;
        let earlier = self.failure.take();
        let mut record =
            FailureRecord::after(earlier, self.state, reason.clone(), class, attempts_max);
        if record.may_retry(clock.policy) {
            let attempt = record.attempt.unwrap_or(0);
            record.due_ms = Some(clock.now_ms + clock.policy.delay_ms(attempt, clock.jitter));
        }
        let retry_at_ms = record.due_ms;
        self.failure = Some(record);
        let from = self.state;
        self.state = State::Failed;
        let reason = Some(reason);
        let to = State::Failed;
        actions.push(Action::StateChanged { partition, from, to, reason, retry_at_ms });
    }

    /// Moves when the table allows it; says whether it did.
    fn move_to(
        &mut self,
        partition: TopicIdPartition,
        to: State,
        actions: &mut Vec<Action>,
    ) -> bool {
        let from = self.state;
        if !from.may_move_to(to) {
            return false;
        }
        self.state = to;
        if from != to {
            let (reason, retry_at_ms) = (None, None);
            actions.push(Action::StateChanged { partition, from, to, reason, retry_at_ms });
        }
        true
    }
}

/// Where a retry goes from the state before the failure.
fn retry_target(previous: State) -> State {
    match previous {
        State::Unknown | State::Failed | State::LogAlignment => State::LogAlignment,
        // Without a fenced batch or a cut at hand these two have nothing to wait for.
        State::EpochFencing | State::UleRecovery => State::Mirroring,
        other => other,
    }
}

#[cfg(test)]
mod tests;
