//! The invariants I1 to I8 of KIP-1279, and what this project decided beside them.

use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::lifecycle::{Action, EngineEvent, ReplicaGoal};
use mirror_coordinator::log_alignment::AlignmentCut;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::partition_state::MirrorPartitionState as State;
use mirror_coordinator::stored_state::{StateWrite, StoredState};

use super::cluster::{Cluster, NAMES, source_of, topic_of};
use super::model_log::{Kind, offset, place};
use super::world::World;

impl World {
    /// I3: nothing is done in a state that is not on disk.
    pub(crate) fn judge(&self, at: usize, action: &Action) {
        let (id, states): (_, &[State]) = match action {
            Action::Align { partition, .. } => (*partition, &[State::LogAlignment]),
            Action::AwaitReplicas { partition, goal: ReplicaGoal::SameAsOurs, .. } => {
                (*partition, &[State::LogAlignment, State::UleRecovery])
            }
            Action::AwaitReplicas { partition, .. }
            | Action::MeasureLog { partition, .. }
            | Action::SealLog { partition, .. } => (*partition, &[State::Stopping]),
            Action::OpenForWriting { partition, .. } => (*partition, &[State::Stopped]),
            Action::AddPartition { partition, .. } | Action::SetLeaderEpoch { partition, .. } => {
                (*partition, &[State::Mirroring])
            }
            Action::ResumeFetcher(partition) => (*partition, &[State::Mirroring]),
            _ => return,
        };
        let cluster = &self.clusters[at];
        let Some(mirror) = cluster.memory.lifecycle.mirror_of(id) else { return };
        let stored = cluster.stored(mirror, id).0.state;
        assert!(states.contains(&stored), "I3: {action:?} on {} in {stored}", NAMES[at]);
    }

    /// I4, I7 and H17, when a state is on disk.
    pub(crate) fn judge_move(
        &self,
        at: usize,
        write: &StateWrite,
        before: &(StoredState, MirrorPosition),
    ) {
        let id = write.partition;
        let cluster = &self.clusters[at];
        let (stored, position) = cluster.stored(&write.mirror, id);
        let name = format!("{} on {}", topic_of(id), NAMES[at]);
        let (from, was) = before;
        assert!(stored.state_epoch > from.state_epoch, "I4: {name}");
        assert!(stored.leader_epoch >= from.leader_epoch, "I4: {name}");
        assert!(from.state.may_move_to(stored.state), "an illegal move: {name}");
        if !was.is_empty() && stored.state != State::LogAlignment {
            assert_eq!(position, *was, "H17: the position of {name} moved in {}", stored.state);
        }
        let may_have = [State::Stopping, State::Stopped, State::Failed].contains(&stored.state);
        assert!(position.is_empty() || may_have, "H17: a position of {name} in {}", stored.state);
        let Some(replica) = cluster.replicas.get(&id) else { return };
        if stored.state == State::Stopped && from.state == State::Stopping {
            let records = replica.log.records();
            let last = records.last().map(|record| record.kind);
            assert_eq!(last, Some(Kind::Reset), "I7: {name} was not sealed");
            assert!(replica.log.producers().is_empty(), "I7: producers are left in {name}");
            let end = position.offset.map_or(0, place);
            assert!(end < records.len(), "H17: the position of {name} is beyond its log");
            let highest = records[..end].iter().map(|record| record.epoch).max();
            assert!(highest < Some(replica.told), "I7: {name} has epochs above ours");
            if position.offset.is_some() {
                let is_seal = |kind| matches!(kind, Kind::Reset | Kind::Abort(_));
                let behind = records[end..].iter();
                let ours = behind.filter(|one| one.origin != at || !is_seal(one.kind)).count();
                assert_eq!(ours, 0, "X22: mirrored records of {name} behind its position");
            }
        }
    }

    /// I1, I2, I5, I6: what may be appended, by whom.
    pub(crate) fn judge_append(&self, at: usize, id: TopicIdPartition, source: usize) {
        let (cluster, name) = (&self.clusters[at], format!("{} on {}", topic_of(id), NAMES[at]));
        let replica = &cluster.replicas[&id];
        let theirs = &self.clusters[source].replicas[&id];
        let state = cluster.memory.lifecycle.state(id);
        let goes_on = state == State::Mirroring || cluster.is_about_to_hold(id);
        assert!(goes_on, "I1: {name} is fetched in {state}");
        assert!(!replica.writable, "I2: clients write to {name}, which is fetched");
        let last = replica.log.records().last().map(|record| record.epoch);
        let ours = cluster.memory.engine[&id].leader_epoch;
        let known = cluster.known_epoch(id);
        assert!(last <= Some(ours) && ours <= known, "I6: {name}: {last:?}, {ours}, {known}");
        let common = replica.log.common_with(&theirs.log);
        let is_same = common == replica.log.len() || !self.follows(at, id, source);
        assert!(is_same, "I5: {name} is not what {} has", NAMES[source]);
    }

    /// What alignment cuts: nothing that both have, and all that only we have (X21, H18).
    pub(crate) fn judge_cut(
        &mut self,
        at: usize,
        id: TopicIdPartition,
        position: MirrorPosition,
        cut: AlignmentCut,
    ) {
        let cluster = &self.clusters[at];
        assert!(!cluster.memory.engine.contains_key(&id), "cut while the engine has it");
        let Some(mirror) = cluster.memory.lifecycle.mirror_of(id) else { return };
        let source = source_of(mirror);
        let name = format!("{} on {}, from {}", topic_of(id), NAMES[at], NAMES[source]);
        let replica = &cluster.replicas[&id];
        let kept = match cut {
            AlignmentCut::Keep => replica.log.len(),
            AlignmentCut::TruncateTo(to) | AlignmentCut::StartAt(to) => place(to),
        };
        let count = self.overwritten.get(&(source, id)).copied().unwrap_or(0);
        if position.is_empty() {
            assert_eq!(kept, 0, "{name}: kept what nobody vouches for");
            if replica.log.len() > 0 {
                *self.overwritten.entry((at, id)).or_default() += 1;
            }
            self.based_on.insert((at, id), Some((source, count)));
            return;
        }
        if !self.follows(source, id, at) {
            // The source speaks of records that were overwritten here since.
            self.count("a void position");
            self.based_on.insert((at, id), None);
            return;
        }
        let theirs = &self.clusters[source].replicas[&id];
        let common = replica.log.common_with(&theirs.log);
        assert!(kept <= common, "{name}: kept {kept}, {common} are common, {position}");
        let least = position.offset.map_or(common, |offset| common.min(place(offset)));
        assert!(kept >= least, "{name}: kept {kept} of {least} that both have, {position}");
        if offset(kept) < replica.log.end().offset {
            self.count("cut to a position");
        }
        self.based_on.insert((at, id), Some((source, count)));
    }

    /// What holds after every step.
    pub(crate) fn check(&self) {
        for (at, cluster) in self.clusters.iter().enumerate() {
            for id in cluster.memory.engine.keys() {
                let name = topic_of(*id);
                let writable = cluster.replicas[id].writable;
                assert!(!writable, "I2: clients write to {name} on {}, fetched", NAMES[at]);
            }
        }
    }
}

impl Cluster {
    /// True when the end of fetching is on its way to the engine.
    fn is_about_to_hold(&self, id: TopicIdPartition) -> bool {
        let holds = |command: &Action| match command {
            Action::PauseFetcher(one) | Action::RemoveFetcher(one) => *one == id,
            _ => false,
        };
        let cut = |(one, event): &(TopicIdPartition, EngineEvent)| {
            *one == id && matches!(event, EngineEvent::Truncated | EngineEvent::Failed { .. })
        };
        self.memory.commands.iter().any(holds) || self.memory.events.iter().any(cut)
    }
}
