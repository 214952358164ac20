//! One partition with everything around it, as text.

use std::collections::VecDeque;

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition,
};

use crate::desired_state::DesiredState;
use crate::lifecycle::{
    Action, AlignmentFailure, EngineEvent, Input, Lifecycle, LogEnd, PersistFailure, ReplicaGoal,
    Ticket, UncleanElection,
};
use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{RetryClass, RetryPolicy};
use crate::state_epoch::StateEpoch;
use crate::stored_state::{PositionChange, StateWrite, StoredState};

pub(super) fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_wire([7; 16]).unwrap(),
        partition: PartitionIndex::from_wire(index).unwrap(),
    }
}

pub(super) fn mirror(name: &str) -> MirrorName {
    MirrorName::parse(name).unwrap()
}

pub(super) fn broker(id: i32) -> SourceBroker {
    SourceBroker { source: SourceId::new(0), broker: BrokerId::from_wire(id).unwrap() }
}

pub(super) fn epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).unwrap()
}

pub(super) fn source_epoch(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).unwrap()
}

pub(super) fn log_end(epoch: i32, offset: i64) -> LogEnd {
    LogEnd {
        last_epoch: SourceLeaderEpoch::from_wire(epoch),
        offset: Offset::from_wire(offset).unwrap(),
    }
}

/// Stored state with nothing special about it.
pub(super) fn stored(state: State, previous_state: State, retry_attempt: i16) -> StoredState {
    let error = (state == State::Failed).then(|| "stored".to_owned());
    let state_epoch = StateEpoch::from_wire(5).unwrap();
    let leader_epoch = Some(epoch(3));
    StoredState { state, leader_epoch, state_epoch, error, retry_attempt, previous_state }
}

/// A lifecycle with one partition, whose actions are shown as text and answered on request.
pub(super) struct Rig {
    pub(super) lifecycle: Lifecycle,
    pub(super) now_ms: u64,
    pub(super) partition: TopicIdPartition,
    pub(super) unanswered: VecDeque<Action>,
    pub(super) leader_epoch: i32,
    pub(super) end: LogEnd,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_attempts(3)
    }

    pub(super) fn with_attempts(attempts_max: u32) -> Self {
        let policy = RetryPolicy { initial_ms: 100, max_ms: 300_000, attempts_max };
        Self {
            lifecycle: Lifecycle::new(policy, 1),
            now_ms: 0,
            partition: partition(0),
            unanswered: VecDeque::new(),
            leader_epoch: 3,
            end: log_end(2, 40),
        }
    }

    /// A partition of which `stored` is stored, before anything is wanted of it.
    pub(super) fn restored(stored: StoredState, position: MirrorPosition) -> Self {
        let mut rig = Self::new();
        let (partition, mirror) = (rig.partition, mirror("m"));
        let leader_epoch = epoch(rig.leader_epoch);
        let shown = rig.tell(Input::Restored { partition, mirror, stored, position, leader_epoch });
        assert_eq!(shown, "");
        rig
    }

    /// A new one that is being aligned.
    pub(super) fn aligning() -> Self {
        let mut rig = Self::new();
        rig.want(DesiredState::Mirroring);
        rig.source(1, 2);
        rig.answer();
        rig
    }

    /// One that is in MIRRORING and in the engine.
    pub(super) fn mirroring() -> Self {
        let stored = stored(State::Mirroring, State::Unknown, 0);
        let mut rig = Self::restored(stored, MirrorPosition::EMPTY);
        rig.want(DesiredState::Mirroring);
        rig.source(1, 2);
        rig.run();
        rig
    }

    pub(super) fn state(&self) -> State {
        self.lifecycle.state(self.partition)
    }

    /// Tells the lifecycle something; what it wants done, as text.
    pub(super) fn tell(&mut self, input: Input) -> String {
        let mut actions = Vec::new();
        self.lifecycle.step(self.now_ms, input, &mut actions);
        let shown: Vec<String> = actions.iter().map(show).collect();
        self.unanswered.extend(actions);
        shown.join("; ")
    }

    pub(super) fn want(&mut self, desired: DesiredState) -> String {
        let (partition, leader_epoch) = (self.partition, epoch(self.leader_epoch));
        self.tell(Input::Desired { partition, mirror: mirror("m"), desired, leader_epoch })
    }

    pub(super) fn source(&mut self, leader: i32, epoch: i32) -> String {
        self.tell(Input::SourcePartition {
            partition: self.partition,
            leader: Some(broker(leader)),
            epoch: SourceLeaderEpoch::from_wire(epoch),
            unclean_election: UncleanElection::Fail,
        })
    }

    pub(super) fn engine(&mut self, event: EngineEvent) -> String {
        self.tell(Input::Engine { partition: self.partition, event })
    }

    pub(super) fn fail(&mut self, reason: &str, class: RetryClass) -> String {
        self.engine(EngineEvent::Failed { reason: reason.to_owned(), class })
    }

    /// Carries out the oldest action that wants an answer; what follows, as text. Empty when
    /// nothing waits.
    pub(super) fn answer(&mut self) -> String {
        while let Some(action) = self.unanswered.pop_front() {
            if let Some(input) = self.success(&action) {
                return self.tell(input);
            }
        }
        String::new()
    }

    /// Answers until nothing waits; one line for each answer that led to something.
    pub(super) fn run(&mut self) -> String {
        let mut lines = Vec::new();
        for _ in 0..100 {
            if self.unanswered.is_empty() {
                return lines.join("\n");
            }
            let line = self.answer();
            if !line.is_empty() {
                lines.push(line);
            }
        }
        panic!("it goes on for ever: {lines:#?}");
    }

    /// Answers until the partition is in `state`.
    pub(super) fn run_until(&mut self, state: State) {
        while self.state() != state {
            assert!(!self.unanswered.is_empty(), "it never comes to {state}");
            self.answer();
        }
    }

    /// Refuses the oldest action that can be refused; what follows, as text.
    pub(super) fn refuse(&mut self) -> String {
        while let Some(action) = self.unanswered.pop_front() {
            let (partition, reason) = (self.partition, "refused".to_owned());
            let input = match action {
                Action::Persist { ticket, .. } => {
                    let outcome = Err(PersistFailure::Unavailable { reason });
                    Input::Persisted { partition, ticket, outcome }
                }
                Action::Align { ticket, .. } => {
                    let class = RetryClass::Retryable;
                    let outcome = Err(AlignmentFailure { reason, class });
                    Input::Aligned { partition, ticket, outcome }
                }
                Action::MeasureLog { ticket, .. } => {
                    Input::LogMeasured { partition, ticket, outcome: Err(reason) }
                }
                Action::RaiseLeaderEpoch { ticket, .. } => {
                    Input::LeaderEpochRaised { partition, ticket, outcome: Err(reason) }
                }
                Action::SealLog { ticket, .. } => {
                    Input::LogSealed { partition, ticket, outcome: Err(reason) }
                }
                Action::OpenForWriting { ticket, .. } => {
                    Input::OpenedForWriting { partition, ticket, outcome: Err(reason) }
                }
                _ => continue,
            };
            return self.tell(input);
        }
        String::new()
    }

    /// Answers until something can be refused, and refuses that if `of` picks it.
    pub(super) fn refuse_when(&mut self, of: impl Fn(&Action) -> bool) -> String {
        while !self.unanswered.iter().any(&of) {
            assert!(!self.unanswered.is_empty(), "it is never asked for");
            self.answer();
        }
        self.unanswered.retain(|action| of(action));
        self.refuse()
    }

    /// The oldest ticket that waits for an answer of the kind that `of` picks.
    pub(super) fn take_ticket(&mut self, of: impl Fn(&Action) -> Option<Ticket>) -> Ticket {
        let found = self.unanswered.iter().position(|action| of(action).is_some());
        let action = self.unanswered.remove(found.expect("it was asked for")).unwrap();
        of(&action).unwrap()
    }

    pub(super) fn refuse_write(&mut self, failure: PersistFailure) -> String {
        let ticket = self.take_ticket(|action| match action {
            Action::Persist { ticket, .. } => Some(*ticket),
            _ => None,
        });
        let partition = self.partition;
        self.tell(Input::Persisted { partition, ticket, outcome: Err(failure) })
    }

    /// Lets time pass until something is due.
    pub(super) fn wait(&mut self) -> String {
        self.now_ms = self.lifecycle.next_due_ms().expect("something is due some time");
        self.tell(Input::Tick)
    }

    fn success(&mut self, action: &Action) -> Option<Input> {
        Some(match action {
            Action::Persist { ticket, write } => Input::Persisted {
                partition: write.partition,
                ticket: *ticket,
                outcome: Ok(write.state_epoch.unwrap().next().unwrap()),
            },
            Action::Align { partition, ticket } => {
                Input::Aligned { partition: *partition, ticket: *ticket, outcome: Ok(()) }
            }
            Action::AwaitReplicas { partition, ticket, .. } => {
                Input::ReplicasConverged { partition: *partition, ticket: *ticket }
            }
            Action::MeasureLog { partition, ticket } => {
                Input::LogMeasured { partition: *partition, ticket: *ticket, outcome: Ok(self.end) }
            }
            Action::RaiseLeaderEpoch { partition, ticket, above } => {
                self.leader_epoch = self.leader_epoch.max(*above) + 1;
                let outcome = Ok(epoch(self.leader_epoch));
                Input::LeaderEpochRaised { partition: *partition, ticket: *ticket, outcome }
            }
            Action::SealLog { partition, ticket, .. } => {
                Input::LogSealed { partition: *partition, ticket: *ticket, outcome: Ok(()) }
            }
            Action::OpenForWriting { partition, ticket, .. } => {
                Input::OpenedForWriting { partition: *partition, ticket: *ticket, outcome: Ok(()) }
            }
            Action::PauseFetcher(partition) => {
                Input::Engine { partition: *partition, event: EngineEvent::Paused }
            }
            Action::RemoveFetcher(partition) => {
                let event = EngineEvent::Removed { end: Some(self.end) };
                Input::Engine { partition: *partition, event }
            }
            _ => return None,
        })
    }
}

/// An action as a few words.
pub(super) fn show(action: &Action) -> String {
    match action {
        Action::Persist { write, .. } => show_write(write),
        Action::CloseForMirroring(_) => "close".to_owned(),
        Action::Align { .. } => "align".to_owned(),
        Action::CancelAlignment { .. } => "cancel align".to_owned(),
        Action::AwaitReplicas { goal: ReplicaGoal::SameAsOurs, .. } => "await same".to_owned(),
        Action::AwaitReplicas { .. } => "await all".to_owned(),
        Action::MeasureLog { .. } => "measure".to_owned(),
        Action::RaiseLeaderEpoch { above, .. } => format!("raise above {above}"),
        Action::SealLog { leader_epoch, .. } => format!("seal at {leader_epoch}"),
        Action::OpenForWriting { leader_epoch, .. } => format!("open at {leader_epoch}"),
        Action::AddPartition { leader, leader_epoch, .. } => {
            format!("add from {} at {leader_epoch}", leader.broker)
        }
        Action::SetSourceLeader { leader, epoch, .. } => {
            format!("leader {} epoch {epoch}", leader.broker)
        }
        Action::SetLeaderEpoch { epoch, .. } => format!("our epoch {epoch}"),
        Action::SetUncleanElection { unclean_election, .. } => format!("{unclean_election:?}"),
        Action::PauseFetcher(_) => "pause".to_owned(),
        Action::ResumeFetcher(_) => "resume".to_owned(),
        Action::RemoveFetcher(_) => "remove".to_owned(),
        Action::RefreshMetadata(_) => "refresh".to_owned(),
        Action::StateChanged { from, to, reason, .. } => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
            format!("{from} -> {to}{reason}")
        }
    }
}

fn show_write(write: &StateWrite) -> String {
    let mut text = format!("write {}", write.state);
    if write.retry_attempt != 0 {
        text.push_str(&format!(" attempt {}", write.retry_attempt));
    }
    if write.previous_state != State::Unknown {
        text.push_str(&format!(" before {}", write.previous_state));
    }
    match write.position {
        PositionChange::Keep => {}
        PositionChange::Set(position) => text.push_str(&format!(" position {position}")),
        PositionChange::Clear => text.push_str(" no position"),
    }
    text
}
