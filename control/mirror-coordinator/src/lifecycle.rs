//! The lifecycle of every partition of every mirror: one input in, the actions it leads to out.
//!
//! ```text
//!   Desired, Engine, ...  --->  facts of one partition  --->  target state (first match wins)
//!                                      ^                              |
//!   Aligned, LogSealed, ... -----------+                 differs      |      is stored already
//!                                      |                              |
//!                                      |      Persist, nothing else --+--> the work of the state
//!                                      +---- Persisted
//! ```
//! **Order.** A state is written before anything is done because of it; one write of a partition
//! is under way at a time, and whatever is heard meanwhile is a fact to look at after the answer.
//! A write that is refused changes what is known to be stored, and the facts are looked at again:
//! it is repeated only if they still lead there.
//!
//! **Failures** touch one partition. They wait in a queue by time, so a tick costs what is due.
//!
//! Source: KIP-1279, partition state machine.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{PartitionIndex, SourceBroker, TopicId, TopicIdPartition};

mod action;
mod hearing;
mod input;
mod partition;
mod working;
mod writing;

pub use action::{Action, ReplicaGoal};
pub use input::{
    AlignmentFailure, EngineEvent, Input, LogEnd, PersistFailure, Ticket, UncleanElection,
};

use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{FailureRecord, Jitter, RetryClass, RetryPolicy};
use crate::stored_state::StoredState;
use partition::{MirrorPartition, Presence, Surroundings};

/// The lifecycle of every partition of every mirror on this node.
#[derive(Debug)]
pub struct Lifecycle {
    retry: RetryPolicy,
    jitter: Jitter,
    tickets: u64,
    partitions: BTreeMap<TopicIdPartition, MirrorPartition>,
    by_mirror: BTreeMap<MirrorName, BTreeSet<TopicIdPartition>>,
    /// Who wants to be looked at when, milliseconds.
    due: BTreeSet<(u64, TopicIdPartition)>,
    /// Unbound, and still being closed by the engine.
    leaving: BTreeSet<TopicIdPartition>,
}

impl Lifecycle {
    /// A lifecycle without partitions; `seed` decides the jitter of its retries.
    #[must_use]
    pub const fn new(retry: RetryPolicy, seed: u64) -> Self {
        Self {
            retry,
            jitter: Jitter::new(seed),
            tickets: 0,
            partitions: BTreeMap::new(),
            by_mirror: BTreeMap::new(),
            due: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// Has failures from now on tried again by another policy; pauses that have begun end as they
    /// were to.
    pub const fn set_retry_policy(&mut self, retry: RetryPolicy) {
        self.retry = retry;
    }

    /// State of a partition as stored; `Unknown` when it belongs to no mirror.
    #[must_use]
    pub fn state(&self, partition: TopicIdPartition) -> State {
        self.partitions.get(&partition).map_or(State::Unknown, |known| known.stored.state)
    }

    /// What is stored of a partition that belongs to a mirror.
    #[must_use]
    pub fn stored(&self, partition: TopicIdPartition) -> Option<&StoredState> {
        Some(&self.partitions.get(&partition)?.stored)
    }

    /// Where mirroring of a partition ended; empty while it goes on.
    #[must_use]
    pub fn position(&self, partition: TopicIdPartition) -> MirrorPosition {
        self.partitions.get(&partition).map_or(MirrorPosition::EMPTY, |known| known.position)
    }

    /// The mirror that a partition belongs to.
    #[must_use]
    pub fn mirror_of(&self, partition: TopicIdPartition) -> Option<&MirrorName> {
        Some(&self.partitions.get(&partition)?.mirror)
    }

    /// What is wanted of a partition; `None` when it belongs to no mirror.
    #[must_use]
    pub fn desired(&self, partition: TopicIdPartition) -> Option<DesiredState> {
        self.partitions.get(&partition)?.desired
    }

    /// Our leader epoch of a partition.
    #[must_use]
    pub fn leader_epoch(&self, partition: TopicIdPartition) -> Option<LeaderEpoch> {
        Some(self.partitions.get(&partition)?.leader_epoch)
    }

    /// Why a partition failed; kept until it makes progress again.
    #[must_use]
    pub fn failure(&self, partition: TopicIdPartition) -> Option<FailureRecord> {
        let known = self.partitions.get(&partition)?;
        known.has_failures().then(|| FailureRecord {
            previous_state: known.stored.previous_state,
            reason: known.stored.error.clone().unwrap_or_default(),
            attempt: u32::try_from(known.stored.retry_attempt).ok(),
            due_ms: known.retry_due_ms,
        })
    }

    /// True when [`Input::SourcePartition`] with these facts would change nothing: a look at a
    /// source
    /// mostly finds what the one before found.
    #[must_use]
    pub fn knows_source(
        &self,
        partition: TopicIdPartition,
        leader: Option<SourceBroker>,
        epoch: Option<SourceLeaderEpoch>,
        unclean_election: UncleanElection,
    ) -> bool {
        let known = self.partitions.get(&partition);
        known.is_some_and(|known| known.knows_source(leader, epoch, unclean_election))
    }

    /// The partitions of a mirror.
    pub fn partitions_of(&self, mirror: &MirrorName) -> impl Iterator<Item = TopicIdPartition> {
        self.by_mirror.get(mirror).into_iter().flatten().copied()
    }

    /// When [`Input::Tick`] has something to do next, milliseconds on the caller's clock.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Applies one input at `now_ms` (any monotonic clock) and appends what follows from it.
    pub fn step(&mut self, now_ms: u64, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Restored { partition, mirror, stored, position, leader_epoch } => {
                let known = self.bind(partition, mirror, leader_epoch, actions);
                if known.desired.is_none() {
                    (known.stored, known.position) = (stored, position);
                }
            }
            Input::Desired { partition, mirror, desired, leader_epoch } => {
                self.bind(partition, mirror, leader_epoch, actions);
                self.look_at(now_ms, partition, actions, |known, around| {
                    known.on_desired(desired, leader_epoch, around);
                });
            }
            Input::Unbound(partition) => self.unbind(partition, actions),
            Input::SourceForgotten(mirror) => {
                for partition in self.partitions_of(&mirror).collect::<Vec<_>>() {
                    self.look_at(now_ms, partition, actions, |known, around| {
                        known.on_source_forgotten(around);
                    });
                }
            }
            Input::SourceAnswered(mirror) => {
                for partition in self.partitions_of(&mirror).collect::<Vec<_>>() {
                    self.look_at(now_ms, partition, actions, MirrorPartition::on_source_answered);
                }
            }
            Input::TopicLost { topic_id, reason } => {
                let lost = self.partitions_of_topic(topic_id);
                self.fail_all(now_ms, &lost, &reason, actions);
            }
            Input::SourceReplaced { mirror, reason } => {
                let lost: Vec<_> = self.partitions_of(&mirror).collect();
                self.fail_all(now_ms, &lost, &reason, actions);
            }
            Input::Tick => self.tick(now_ms, actions),
            about_one => self.step_one(now_ms, about_one, actions),
        }
    }

    /// Applies an input about one partition; it is ignored when that belongs to no mirror.
    fn step_one(&mut self, now_ms: u64, input: Input, actions: &mut Vec<Action>) {
        let Some(partition) = partition_of(&input) else { return };
        if let Input::Engine { event: EngineEvent::Removed { .. }, .. } = input {
            self.leaving.remove(&partition);
        }
        self.look_at(now_ms, partition, actions, |known, around| match input {
            Input::SourcePartition { leader, epoch, unclean_election, .. } => {
                known.on_source_partition(leader, epoch, unclean_election, around);
            }
            Input::Engine { event, .. } => known.on_engine(event, around),
            Input::Persisted { ticket, outcome, .. } => {
                known.on_persisted(ticket, outcome, around);
            }
            Input::LeaderEpochRaised { ticket, outcome, .. } => {
                known.on_raised(ticket, outcome, around);
            }
            Input::Aligned { ticket, outcome, .. } => known.on_aligned(ticket, outcome, around),
            Input::ReplicasConverged { ticket, .. } => known.on_converged(ticket, around),
            Input::LogMeasured { ticket, outcome, .. } => {
                known.on_measured(ticket, outcome, around);
            }
            Input::LogSealed { ticket, outcome, .. } => known.on_sealed(ticket, outcome, around),
            Input::OpenedForWriting { ticket, outcome, .. } => {
                known.on_opened(ticket, outcome, around);
            }
            Input::Recover(_) => known.on_recover(around),
            _ => {}
        });
    }

    /// The partition, made when it is new or belonged to another mirror.
    fn bind(
        &mut self,
        partition: TopicIdPartition,
        mirror: MirrorName,
        leader_epoch: LeaderEpoch,
        actions: &mut Vec<Action>,
    ) -> &mut MirrorPartition {
        if self.partitions.get(&partition).is_some_and(|known| known.mirror != mirror) {
            self.unbind(partition, actions);
        }
        let leaving = self.leaving.remove(&partition);
        let presence = if leaving { Presence::Leaving } else { Presence::Absent };
        self.partitions.entry(partition).or_insert_with(|| {
            self.by_mirror.entry(mirror.clone()).or_default().insert(partition);
            MirrorPartition::new(partition, mirror, leader_epoch, presence)
        })
    }

    fn unbind(&mut self, partition: TopicIdPartition, actions: &mut Vec<Action>) {
        let Some(mut known) = self.partitions.remove(&partition) else { return };
        if let Some(due_ms) = known.due_ms() {
            self.due.remove(&(due_ms, partition));
        }
        if let Some(others) = self.by_mirror.get_mut(&known.mirror) {
            others.remove(&partition);
            if others.is_empty() {
                self.by_mirror.remove(&known.mirror);
            }
        }
        let mut around = Surroundings {
            now_ms: 0,
            policy: &self.retry,
            jitter: &mut self.jitter,
            tickets: &mut self.tickets,
            actions,
        };
        known.resign(&mut around);
        if known.fetcher.presence == Presence::Leaving {
            self.leaving.insert(partition);
        }
    }

    fn partitions_of_topic(&self, topic_id: TopicId) -> Vec<TopicIdPartition> {
        let first = TopicIdPartition { topic_id, partition: PartitionIndex::default() };
        let of_topic = self.partitions.range(first..).map(|(partition, _)| *partition);
        of_topic.take_while(|partition| partition.topic_id == topic_id).collect()
    }

    fn fail_all(
        &mut self,
        now_ms: u64,
        partitions: &[TopicIdPartition],
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        for partition in partitions {
            self.look_at(now_ms, *partition, actions, |known, around| {
                let class = RetryClass::NonRetryable;
                known.on_mirroring_failed(reason.to_owned(), class, around);
            });
        }
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        while let Some((due_ms, partition)) = self.due.first().copied()
            && due_ms <= now_ms
        {
            self.due.remove(&(due_ms, partition));
            self.look_at(now_ms, partition, actions, MirrorPartition::on_due);
        }
    }

    /// Has a partition do something and notes when it wants to be looked at next.
    fn look_at(
        &mut self,
        now_ms: u64,
        partition: TopicIdPartition,
        actions: &mut Vec<Action>,
        act: impl FnOnce(&mut MirrorPartition, &mut Surroundings<'_>),
    ) {
        let Some(known) = self.partitions.get_mut(&partition) else { return };
        let before = known.due_ms();
        let mut around = Surroundings {
            now_ms,
            policy: &self.retry,
            jitter: &mut self.jitter,
            tickets: &mut self.tickets,
            actions,
        };
        act(known, &mut around);
        let after = known.due_ms();
        if before != after {
            if let Some(due_ms) = before {
                self.due.remove(&(due_ms, partition));
            }
            if let Some(due_ms) = after {
                self.due.insert((due_ms, partition));
            }
        }
    }
}

const fn partition_of(input: &Input) -> Option<TopicIdPartition> {
    match input {
        Input::SourcePartition { partition, .. }
        | Input::Engine { partition, .. }
        | Input::Persisted { partition, .. }
        | Input::LeaderEpochRaised { partition, .. }
        | Input::Aligned { partition, .. }
        | Input::ReplicasConverged { partition, .. }
        | Input::LogMeasured { partition, .. }
        | Input::LogSealed { partition, .. }
        | Input::OpenedForWriting { partition, .. }
        | Input::Recover(partition) => Some(*partition),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
