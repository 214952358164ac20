//! Everything around the replicas: who leads, what is stored, the source, and chance.

use std::collections::{BTreeMap, BTreeSet};

use super::replica::{Engine, Kind, Record, Replica};
use crate::desired_state::DesiredState;
use crate::lifecycle::tests::rig::{broker, epoch, mirror, partition, show, source_epoch};
use crate::lifecycle::{
    Action, AlignmentFailure, EngineEvent, Input, PersistFailure, ReplicaGoal, Ticket,
    UncleanElection,
};
use crate::mirror_position::MirrorPosition;
use crate::mirror_states::MirrorStates;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{Jitter, RetryClass};
use crate::state_epoch::StateEpoch;
use crate::stored_state::{StateWrite, StoredState};

const REPLICAS: usize = 3;

/// What the histories are judged by as a whole.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) states: BTreeSet<State>,
    pub(super) led_anew_in: BTreeSet<State>,
    /// What was under way when the leader changed.
    pub(super) led_anew_during: BTreeSet<String>,
    pub(super) refused_writes: u64,
    pub(super) told: Vec<String>,
}

#[derive(Debug)]
pub(super) struct World {
    chance: Jitter,
    pub(super) seed: u64,
    now_ms: u64,
    pub(super) replicas: Vec<Replica>,
    /// In sync with the leader, as far as the controller knows.
    pub(super) in_sync: [bool; REPLICAS],
    pub(super) leader: usize,
    pub(super) leader_epoch: i32,
    /// Our leader epoch when the leader changed last.
    term_epoch: i32,
    /// The position was written by a leader that was replaced already. It is no lie, since what it
    /// covers was everywhere; but the next leader's log may have had more.
    pub(super) position_is_low: bool,
    desired: DesiredState,
    states: MirrorStates,
    /// Every state that was written, by its state epoch.
    pub(super) written: BTreeMap<StateEpoch, State>,
    /// Writes on their way to the coordinator: of which replica and life.
    writes: Vec<(usize, u32, Ticket, Box<StateWrite>)>,
    /// Alignments and waits under way: of which replica.
    jobs: Vec<(usize, Action)>,
    source: Vec<Record>,
    source_epoch: i32,
    source_records: u32,
    policy: UncleanElection,
    pub(super) seen: Seen,
    quiet: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Jitter::new(seed);
        let policy =
            if chance.below(2) == 0 { UncleanElection::Truncate } else { UncleanElection::Fail };
        // X7: one history in eight begins near the largest epoch.
        let first_epoch = if chance.below(8) == 0 { i32::MAX - 40 } else { 0 };
        let mut world = Self {
            chance,
            seed,
            now_ms: 0,
            replicas: (0..3).map(|life| Replica::new(seed, life, Vec::new())).collect(),
            in_sync: [true; REPLICAS],
            leader: 0,
            leader_epoch: 0,
            term_epoch: 0,
            position_is_low: false,
            desired: DesiredState::Mirroring,
            states: MirrorStates::default(),
            written: BTreeMap::from([(StateEpoch::ZERO, State::Unknown)]),
            writes: Vec::new(),
            jobs: Vec::new(),
            source: Vec::new(),
            source_epoch: first_epoch,
            source_records: 0,
            policy,
            seen: Seen::default(),
            quiet: false,
        };
        world.tell_leader(false);
        world
    }

    fn roll(&mut self, one_in: u64) -> bool {
        self.chance.below(one_in) == 0
    }

    fn pick(&mut self, count: usize) -> usize {
        let bound = u64::try_from(count).unwrap();
        usize::try_from(self.chance.below(bound)).unwrap()
    }

    pub(super) fn stored(&self) -> StoredState {
        let stored = self.states.state(&mirror("m"), partition(0));
        stored.cloned().unwrap_or(StoredState::UNKNOWN)
    }

    pub(super) fn position(&self) -> MirrorPosition {
        self.states.position(&mirror("m"), partition(0))
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        let replica = self.pick(REPLICAS);
        match self.chance.below(60) {
            0..=14 => self.carry_out(replica),
            15..=32 => self.deliver(replica),
            33..=38 => self.store_one(),
            39..=43 => self.finish_job(),
            44..=48 => self.fetch(replica),
            49..=51 => self.replicate(replica),
            52..=53 => self.produce_at_source(),
            54 => self.now_ms += self.chance.below(3_000),
            55 => self.tell(replica, Input::Tick),
            56 => self.name_source(),
            57 => self.client_writes(replica),
            _ if self.quiet => {}
            58 if self.roll(2) => self.change_leader(),
            58 if self.roll(2) => self.change_mind(),
            58 => {}
            _ => self.make_trouble(replica),
        }
        self.check();
    }

    /// No more trouble: everything arrives, and the partition comes to rest where it is wanted.
    pub(super) fn settle(&mut self) {
        self.quiet = true;
        self.in_sync = [true; REPLICAS];
        self.tell_leader(false); // what it was told last may be older than its own raise
        for round in 0..4_000 {
            for _ in 0..20 {
                self.step();
            }
            self.now_ms += 500;
            for replica in 0..REPLICAS {
                self.replicate(replica);
                self.tell(replica, Input::Tick);
            }
            if round % 50 == 49 {
                // The operator looks after what gave up.
                self.tell(self.leader, Input::Recover(partition(0)));
            }
            if self.is_at_rest() {
                return;
            }
        }
        panic!("seed {}: never at rest: {:?} {:#?}", self.seed, self.desired, self.stored());
    }

    fn is_at_rest(&self) -> bool {
        let leader = &self.replicas[self.leader];
        let (stored, known) = (self.stored(), leader.lifecycle.state(partition(0)));
        match (self.desired, stored.state) {
            (DesiredState::Mirroring, State::Mirroring) => leader.log == self.source,
            (DesiredState::Paused, State::Paused) => true,
            // Paused before it was started again.
            (DesiredState::Paused, State::Stopped) => !leader.writable,
            // Paused before it began: there is nothing to write, so a leader that read nothing
            // stored does not hear of what one before it wrote late. The next intent finds it.
            (DesiredState::Paused, _) if known == State::Unknown => true,
            (DesiredState::Stopped, State::Stopped) => leader.writable,
            // What the operator cannot cure either: the source's history is another one, or there
            // are no epochs left.
            (_, State::Failed) => {
                let diverged = self.policy == UncleanElection::Fail
                    && leader.common_with(&self.source) < leader.log.len();
                (diverged || self.leader_epoch > i32::MAX - 20) && stored.retry_attempt == -1
            }
            _ => false,
        }
    }

    fn tell(&mut self, replica: usize, input: Input) {
        let mut actions = Vec::new();
        let told = &mut self.replicas[replica];
        told.lifecycle.step(self.now_ms, input, &mut actions);
        for action in &actions {
            self.judge(replica, action);
        }
        let line = |action: &Action| format!("{replica}: {}", show(action));
        self.seen.told.extend(actions.iter().map(line));
        self.replicas[replica].outbox.extend(actions);
    }

    /// What the leader is told when it becomes one.
    fn tell_leader(&mut self, anew: bool) {
        let (stored, position) = (self.stored(), self.position());
        let leader_epoch = epoch(self.leader_epoch);
        let (partition, desired) = (partition(0), self.desired);
        let inbox = &mut self.replicas[self.leader].metadata;
        if anew {
            let mirror = mirror("m");
            inbox.push_back(Input::Restored { partition, mirror, stored, position, leader_epoch });
        }
        inbox.push_back(Input::Desired { partition, mirror: mirror("m"), desired, leader_epoch });
        self.name_source();
    }

    fn name_source(&mut self) {
        let input = Input::SourcePartition {
            partition: partition(0),
            leader: Some(broker(self.source_epoch % 3)),
            epoch: Some(source_epoch(self.source_epoch)),
            unclean_election: self.policy,
        };
        let inbox = &mut self.replicas[self.leader].metadata;
        if !matches!(inbox.back(), Some(Input::SourcePartition { .. })) {
            inbox.push_back(input);
        }
    }

    /// X1: another in-sync replica leads, or the same in a new epoch; the old one hears late.
    fn change_leader(&mut self) {
        if self.leader_epoch > i32::MAX - 3 {
            return;
        }
        let next = self.pick(REPLICAS);
        if !self.in_sync[next] {
            return;
        }
        self.seen.led_anew_in.insert(self.stored().state);
        let under_way = self.jobs.iter().filter(|(of, _)| *of == self.leader);
        let steps = under_way.map(|(_, job)| show(job).split(" a").next().unwrap().to_owned());
        self.seen.led_anew_during.extend(steps);
        self.leader_epoch += 1;
        self.term_epoch = self.leader_epoch;
        if next != self.leader {
            let gone = Input::Unbound(partition(0));
            self.replicas[self.leader].metadata.push_back(gone);
            self.leader = next;
        }
        self.tell_leader(true);
    }

    fn change_mind(&mut self) {
        let wanted = DesiredState::ALL[self.pick(3)];
        let stopped = self.desired == DesiredState::Stopped;
        if stopped && (wanted == DesiredState::Paused || self.stored().state != State::Stopped) {
            return; // the controller refuses that
        }
        self.desired = wanted;
        self.tell_leader(false);
    }

    fn make_trouble(&mut self, replica: usize) {
        match self.chance.below(7) {
            0 => self.crash(replica),
            1 => {
                if let Some(engine) = &mut self.replicas[replica].engine {
                    engine.fetching = false;
                    let class = RetryClass::Retryable;
                    let failed = EngineEvent::Failed { reason: "disk".to_owned(), class };
                    self.replicas[replica].events.push_back(failed);
                }
            }
            2 => self.elect_at_source(),
            3 => {
                // An unclean election: the source forgets its newest records.
                let left = self.source.len() - self.pick(self.source.len().min(3) + 1);
                self.source.truncate(left);
                self.elect_at_source();
            }
            4 => self.tell(replica, Input::SourceForgotten(mirror("m"))),
            5 => self.in_sync[replica] = replica == self.leader,
            _ => self.tell(replica, Input::Recover(partition(0))),
        }
    }

    /// One election, or many in a row.
    fn elect_at_source(&mut self) {
        let elections = 1 + i32::try_from(self.pick(3) * self.pick(15)).unwrap();
        self.source_epoch = self.source_epoch.saturating_add(elections);
    }

    fn crash(&mut self, replica: usize) {
        let log = std::mem::take(&mut self.replicas[replica].log);
        let life = self.replicas[replica].life + 10;
        self.replicas[replica] = Replica::new(self.seed, life, log);
        self.jobs.retain(|(of, _)| *of != replica);
        if replica == self.leader {
            // It leads on in a new epoch: its former life may have writes on their way.
            self.leader_epoch = self.leader_epoch.saturating_add(1);
            self.term_epoch = self.leader_epoch;
            self.tell_leader(true);
        }
    }

    fn produce_at_source(&mut self) {
        if self.source.len() < 12 && !self.quiet {
            self.source_records += 1;
            let kind = Kind::Mirrored(self.source_records);
            self.source.push(Record { epoch: self.source_epoch, kind });
        }
    }

    fn deliver(&mut self, replica: usize) {
        let kind = self.chance.below(3);
        let pick = match self.replicas[replica].answers.len() {
            0 => None,
            count => Some(self.pick(count)),
        };
        let inbox = &mut self.replicas[replica];
        let input = match (kind, pick) {
            (0, _) => inbox.metadata.pop_front(),
            (1, _) => {
                let event = inbox.events.pop_front();
                event.map(|event| Input::Engine { partition: partition(0), event })
            }
            (_, pick) => pick.map(|index| inbox.answers.swap_remove(index)),
        };
        if let Some(input) = input {
            if matches!(input, Input::Unbound(_)) {
                // A broker that no longer leads takes no writes, whatever was under way.
                let opens = |action: &Action| matches!(action, Action::OpenForWriting { .. });
                self.replicas[replica].writable = false;
                self.replicas[replica].outbox.retain(|action| !opens(action));
                self.jobs.retain(|(of, job)| *of != replica || !opens(job));
            }
            self.tell(replica, input);
        }
    }

    /// The coordinator takes any write that is on its way, and may lose it or its answer.
    fn store_one(&mut self) {
        if self.writes.is_empty() {
            return;
        }
        let index = self.pick(self.writes.len());
        let (replica, life, ticket, write) = self.writes.swap_remove(index);
        let lost = !self.quiet && self.roll(12);
        let outcome = if lost && self.roll(2) {
            Err(PersistFailure::Unavailable { reason: "lost".to_owned() })
        } else {
            self.store(&write)
        };
        let unknown = Err(PersistFailure::Unavailable { reason: "moved".to_owned() });
        let outcome = if lost { unknown } else { outcome }; // X3
        if self.replicas[replica].life == life {
            let partition = partition(0);
            let answer = Input::Persisted { partition, ticket, outcome };
            self.replicas[replica].answers.push(answer);
        }
    }

    fn store(&mut self, write: &StateWrite) -> Result<StateEpoch, PersistFailure> {
        let (before, position) = (self.stored(), self.position());
        let Ok(records) = self.states.plan_write(write) else {
            self.seen.refused_writes += 1;
            return Err(PersistFailure::Refused { stored: before, position });
        };
        for record in &records {
            assert!(self.states.apply(record));
        }
        let (after, seed) = (self.stored(), self.seed);
        assert!(after.state_epoch > before.state_epoch, "I4, seed {seed}");
        assert!(after.leader_epoch >= before.leader_epoch, "I4, seed {seed}");
        assert!(before.state.may_move_to(after.state), "seed {seed}: illegal move");
        self.written.insert(after.state_epoch, after.state);
        self.seen.states.insert(after.state);
        if position.is_empty() {
            self.position_is_low = write.leader_epoch < Some(epoch(self.term_epoch));
        }
        self.judge_move(before.state, after.state, position);
        Ok(after.state_epoch)
    }

    /// I1, I5, I6: who fetches, and what may be appended.
    fn fetch(&mut self, replica: usize) {
        let seed = self.seed;
        let fetching = &mut self.replicas[replica];
        if !fetching.fetch(&self.source) {
            return;
        }
        let last = fetching.log.last().expect("it appended");
        let ours = fetching.engine.as_ref().map(|engine| engine.leader_epoch);
        assert!(Some(last.epoch) <= ours && ours <= Some(self.leader_epoch), "I6, seed {seed}");
        let state = fetching.lifecycle.state(partition(0));
        // Between the engine's own news or a record and the hold that follows from it.
        let about_to_hold = fetching.is_told_to_hold()
            || fetching.events.iter().any(|event| matches!(event, EngineEvent::Truncated));
        assert!(state == State::Mirroring || about_to_hold, "I1, seed {seed}: fetching in {state}");
        assert!(!fetching.writable, "I2, seed {seed}: fetched into a log that clients write to");
        let end = fetching.log.len();
        assert_eq!(fetching.common_with(&self.source), end, "I5, seed {seed}");
    }

    /// A follower takes what its leader has, and drops what its leader has not.
    fn replicate(&mut self, replica: usize) {
        let current = self.leader;
        if replica == current || self.replicas[replica].engine.is_some() {
            return;
        }
        let leader_log = self.replicas[current].log.clone();
        self.replicas[replica].log = leader_log;
        if self.quiet || self.roll(2) {
            self.in_sync[replica] = true;
        }
    }

    /// Waits until those in sync have all that the leader has, as acks=all does.
    fn replicate_all(&mut self) {
        for replica in 0..REPLICAS {
            if self.in_sync[replica] && replica != self.leader {
                self.replicas[replica].log = self.replicas[self.leader].log.clone();
            }
        }
    }

    /// I2: when a client's write is taken.
    fn client_writes(&mut self, replica: usize) {
        let (seed, leads) = (self.seed, replica == self.leader);
        let written = &mut self.replicas[replica];
        let closing = written.outbox.iter().any(|a| matches!(a, Action::CloseForMirroring(_)));
        if !written.writable || !leads || closing || written.log.len() > 30 {
            return;
        }
        let desired = written.lifecycle.desired(partition(0));
        let state = written.lifecycle.state(partition(0));
        assert_eq!(desired, Some(DesiredState::Stopped), "I2, seed {seed}");
        assert_eq!(state, State::Stopped, "I2, seed {seed}");
        written.log.push(Record { epoch: self.leader_epoch, kind: Kind::Local });
        assert_eq!(self.stored().state, State::Stopped, "I2, seed {seed}");
        self.replicate_all();
    }

    /// A replica carries out the oldest thing that its lifecycle wants.
    fn carry_out(&mut self, replica: usize) {
        let Some(action) = self.replicas[replica].outbox.pop_front() else { return };
        let seed = self.seed;
        let life = self.replicas[replica].life;
        match action {
            Action::Persist { ticket, write } => {
                self.writes.push((replica, life, ticket, write));
            }
            Action::CancelAlignment { ticket, .. } => {
                let cancelled = (replica, Action::Align { partition: partition(0), ticket });
                self.jobs.retain(|job| *job != cancelled);
            }
            Action::CloseForMirroring(_) => self.replicas[replica].writable = false,
            Action::Align { .. }
            | Action::AwaitReplicas { .. }
            | Action::MeasureLog { .. }
            | Action::RaiseLeaderEpoch { .. }
            | Action::SealLog { .. }
            | Action::OpenForWriting { .. } => self.jobs.push((replica, action)),
            Action::AddPartition { leader_epoch, unclean_election, .. } => {
                let added = &mut self.replicas[replica];
                assert!(added.engine.is_none(), "seed {seed}: added twice");
                assert!(!added.writable, "seed {seed}: clients write to what is mirrored");
                let leader_epoch = leader_epoch.get();
                let (fetching, fenced) = (true, None);
                let engine = Engine { fetching, fenced, leader_epoch, unclean_election };
                added.engine = Some(engine);
                let last_epoch = added.end().last_epoch;
                added.events.push_back(EngineEvent::Loaded { last_epoch });
            }
            Action::RemoveFetcher(_) => {
                let removed = &mut self.replicas[replica];
                assert!(removed.engine.take().is_some(), "seed {seed}: removed twice");
                let end = Some(removed.end());
                removed.events.push_back(EngineEvent::Removed { end });
            }
            Action::PauseFetcher(_)
            | Action::ResumeFetcher(_)
            | Action::SetLeaderEpoch { .. }
            | Action::SetSourceLeader { .. }
            | Action::SetUncleanElection { .. } => self.command_engine(replica, &action),
            Action::RefreshMetadata(_) => self.name_source(),
            Action::StateChanged { .. } => {}
        }
    }

    fn command_engine(&mut self, replica: usize, action: &Action) {
        let commanded = &mut self.replicas[replica];
        let engine = commanded.engine.as_mut();
        let engine = engine.unwrap_or_else(|| panic!("seed {}: {action:?} to none", self.seed));
        match action {
            Action::PauseFetcher(_) => {
                engine.fetching = false;
                commanded.events.push_back(EngineEvent::Paused);
            }
            Action::ResumeFetcher(_) => engine.fetching = true,
            Action::SetLeaderEpoch { epoch, .. } => {
                engine.leader_epoch = engine.leader_epoch.max(epoch.get());
                engine.fenced = engine.fenced.filter(|fenced| *fenced > engine.leader_epoch);
            }
            Action::SetUncleanElection { unclean_election, .. } => {
                engine.unclean_election = *unclean_election;
            }
            _ => {}
        }
    }

    /// Something that takes its time is done, or not.
    fn finish_job(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let index = self.pick(self.jobs.len());
        let (replica, job) = self.jobs[index].clone();
        let fails = !self.quiet && self.roll(10);
        let Some(answer) = self.finished(replica, &job, fails) else { return };
        self.jobs.swap_remove(index);
        self.replicas[replica].answers.push(answer);
    }

    fn finished(&mut self, replica: usize, job: &Action, fails: bool) -> Option<Input> {
        let (partition, seed) = (partition(0), self.seed);
        let leads = replica == self.leader;
        let refused = || "not the leader, or bad luck".to_owned();
        let works = leads && !fails;
        let busy = self.replicas[replica].engine.is_some();
        Some(match *job {
            Action::Align { ticket, .. } => {
                let class = RetryClass::Retryable;
                let failure = AlignmentFailure { reason: refused(), class };
                if works {
                    assert!(!busy && !self.replicas[replica].writable, "seed {seed}: log open");
                    self.align(replica);
                }
                let outcome = if works { Ok(()) } else { Err(failure) };
                Input::Aligned { partition, ticket, outcome }
            }
            Action::AwaitReplicas { ticket, goal, .. } => {
                if !leads || !self.has_converged(goal) {
                    return None;
                }
                Input::ReplicasConverged { partition, ticket }
            }
            Action::MeasureLog { ticket, .. } => {
                assert!(!busy, "seed {seed}: the log is open");
                let end = self.replicas[replica].end();
                let outcome = if fails { Err(refused()) } else { Ok(end) };
                Input::LogMeasured { partition, ticket, outcome }
            }
            Action::RaiseLeaderEpoch { ticket, above, .. } => {
                let next = above.max(self.leader_epoch).checked_add(1);
                // Where there is none left, the one there is may do.
                let next = next.or_else(|| (self.leader_epoch > above).then_some(i32::MAX));
                let next = next.filter(|_| works);
                self.leader_epoch = next.unwrap_or(self.leader_epoch);
                let outcome = next.map(epoch).ok_or_else(refused);
                Input::LeaderEpochRaised { partition, ticket, outcome }
            }
            Action::SealLog { ticket, leader_epoch, .. } => {
                if works {
                    assert!(!busy, "seed {seed}: the log is open");
                    let record = Record { epoch: leader_epoch.get(), kind: Kind::Seal };
                    self.replicas[replica].log.push(record);
                    self.replicate_all();
                }
                let outcome = if works { Ok(()) } else { Err(refused()) };
                Input::LogSealed { partition, ticket, outcome }
            }
            Action::OpenForWriting { ticket, .. } => {
                self.replicas[replica].writable |= works;
                let outcome = if works { Ok(()) } else { Err(refused()) };
                Input::OpenedForWriting { partition, ticket, outcome }
            }
            _ => unreachable!("no job"),
        })
    }

    /// Cuts the log to what the source has too, or to nothing when it has no position of ours.
    fn align(&mut self, replica: usize) {
        let state = self.replicas[replica].lifecycle.state(partition(0));
        let cancel = |action: &Action| matches!(action, Action::CancelAlignment { .. });
        let cancelled = self.replicas[replica].outbox.iter().any(cancel);
        assert!(state == State::LogAlignment || cancelled, "seed {}: cut in {state}", self.seed);
        let common = self.replicas[replica].common_with(&self.source);
        let kept = if self.roll(2) { common } else { 0 };
        self.replicas[replica].log.truncate(kept);
    }

    fn has_converged(&self, goal: ReplicaGoal) -> bool {
        let leader = &self.replicas[self.leader];
        let everyone = goal == ReplicaGoal::SameAsOurs && self.policy == UncleanElection::Truncate;
        let converged = |(replica, follower): (usize, &Replica)| match goal {
            _ if !self.in_sync[replica] => !everyone,
            ReplicaGoal::SameAsOurs => follower.common_with(&leader.log) == follower.log.len(),
            ReplicaGoal::HaveAllOfOurs => follower.log == leader.log,
        };
        self.replicas.iter().enumerate().all(converged)
    }
}
