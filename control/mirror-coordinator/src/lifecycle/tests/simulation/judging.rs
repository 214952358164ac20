//! The invariants.

use super::replica::{Kind, Record};
use super::world::World;
use crate::lifecycle::tests::rig::partition;
use crate::lifecycle::{Action, ReplicaGoal};
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;

impl World {
    /// I3: nothing is done in a state that was not written.
    pub(super) fn judge(&self, replica: usize, action: &Action) {
        let lifecycle = &self.replicas[replica].lifecycle;
        let Some(known) = lifecycle.stored(partition(0)) else { return };
        let goal = |goal: &ReplicaGoal| match goal {
            ReplicaGoal::SameAsOurs => &[State::LogAlignment, State::UleRecovery],
            ReplicaGoal::HaveAllOfOurs => &[State::Stopping, State::Stopping],
        };
        let states: &[State] = match action {
            Action::Align { .. } => &[State::LogAlignment],
            Action::AwaitReplicas { goal: wanted, .. } => goal(wanted),
            Action::MeasureLog { .. } | Action::SealLog { .. } => &[State::Stopping],
            Action::OpenForWriting { .. } => &[State::Stopped],
            Action::AddPartition { .. } | Action::ResumeFetcher(_) => &[State::Mirroring],
            Action::SetLeaderEpoch { .. } => &[State::Mirroring],
            _ => return,
        };
        let seed = self.seed;
        assert!(states.contains(&known.state), "I3, seed {seed}: {action:?} in {}", known.state);
        let written = self.written.get(&known.state_epoch);
        assert_eq!(written, Some(&known.state), "I3, seed {seed}: {action:?} before its record");
    }

    /// I7, I8 and H17, when a state was written.
    pub(super) fn judge_move(&self, from: State, to: State, position: MirrorPosition) {
        let (seed, now) = (self.seed, self.position());
        if !position.is_empty() && to != State::LogAlignment {
            assert_eq!(now, position, "H17, seed {seed}: the position moved in {to}");
        }
        let leader = &self.replicas[self.leader];
        if to == State::Mirroring && matches!(from, State::LogAlignment | State::UleRecovery) {
            for (replica, _) in self.in_sync.iter().enumerate().filter(|(_, in_sync)| **in_sync) {
                let common = self.replicas[replica].common_with(&leader.log);
                let same = common == self.replicas[replica].log.len();
                assert!(same, "I8, seed {seed}: replica {replica} has what was cut");
            }
        }
        if to == State::Stopped && from == State::Stopping {
            let mirrored = |record: &&Record| matches!(record.kind, Kind::Mirrored(_));
            let last = leader.log.iter().filter(mirrored).map(|record| record.epoch).max();
            assert!(last < Some(self.leader_epoch), "I7, seed {seed}: {last:?}");
            assert_eq!(leader.log.last().map(|record| record.kind), Some(Kind::Seal), "I7 {seed}");
            if let Some(end) = now.offset {
                let end = usize::try_from(end.get()).unwrap();
                assert!(end < leader.log.len(), "H17, seed {seed}: the position is beyond the log");
                assert!(leader.log[..end].iter().all(|record| mirrored(&record)), "X22 {seed}");
                let more = leader.log[end..].iter().any(|record| mirrored(&record));
                assert!(self.position_is_low || !more, "X22 {seed}");
            }
        }
    }

    /// H17, at any time.
    pub(super) fn check(&self) {
        let (state, seed) = (self.stored().state, self.seed);
        let may_have = matches!(state, State::Stopping | State::Stopped | State::Failed);
        assert!(self.position().is_empty() || may_have, "seed {seed}: a position in {state}");
    }
}
