//! The states and positions of all partitions: what `__mirror_state` holds, in memory.
//!
//! [`MirrorStates::plan_write`] judges a write and says which records it takes; whoever owns the
//! log makes them durable and then gives them to [`MirrorStates::apply`], which also takes the
//! records of a log that is read at the start.
//!
//! Source: KIP-1279, persisting a transition and `__mirror_state`.

use std::collections::BTreeMap;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::{MirrorPartitionKey, MirrorStateRecord};
use kafka_wire::partition::TopicIdPartition;

use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::state_epoch::StateEpoch;
use crate::stored_state::{PositionChange, StateWrite, StoredState};

/// States and positions by mirror and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorStates {
    mirrors: BTreeMap<MirrorName, BTreeMap<TopicIdPartition, Stored>>,
}

/// What is stored of one partition; never neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stored {
    state: Option<StoredState>,
    position: Option<MirrorPosition>,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefusal {
    /// A later leader of the partition wrote already (`FENCED_LEADER_EPOCH`, 74).
    #[error("leader epoch {wrote} is behind {stored}, in which a state was written already")]
    FencedLeaderEpoch {
        /// The writer's.
        wrote: LeaderEpoch,
        /// The highest seen.
        stored: LeaderEpoch,
    },
    /// The writer has not seen the last state (`FENCED_STATE_EPOCH`, 124).
    #[error("state epoch {wrote} is behind {stored}: the writer has not seen the last state")]
    FencedStateEpoch {
        /// The writer's.
        wrote: StateEpoch,
        /// The one stored.
        stored: StateEpoch,
    },
    /// No partition moves that way. Other brokers are answered without an error.
    #[error("a partition in {from} does not move to {to}")]
    IllegalTransition {
        /// State stored.
        from: State,
        /// State asked for.
        to: State,
    },
    /// The partition's states can be counted no further.
    #[error("state epoch {stored} is the last one there is")]
    StateEpochsExhausted {
        /// The one stored.
        stored: StateEpoch,
    },
}

impl MirrorStates {
    /// What is stored of a partition of a mirror.
    #[must_use]
    pub fn state(&self, mirror: &MirrorName, partition: TopicIdPartition) -> Option<&StoredState> {
        self.mirrors.get(mirror)?.get(&partition)?.state.as_ref()
    }

    /// The last mirror position of a partition of a mirror; empty when there is none.
    #[must_use]
    pub fn position(&self, mirror: &MirrorName, partition: TopicIdPartition) -> MirrorPosition {
        let stored = self.mirrors.get(mirror).and_then(|partitions| partitions.get(&partition));
        stored.and_then(|stored| stored.position).unwrap_or(MirrorPosition::EMPTY)
    }

    /// Every partition of every mirror with its state and position, in order.
    pub fn iter(
        &self,
    ) -> impl Iterator<Item = (&MirrorName, TopicIdPartition, Option<&StoredState>, MirrorPosition)>
    {
        self.mirrors.iter().flat_map(|(mirror, partitions)| {
            partitions.iter().map(move |(partition, stored)| {
                let position = stored.position.unwrap_or(MirrorPosition::EMPTY);
                (mirror, *partition, stored.state.as_ref(), position)
            })
        })
    }

    /// The records that `write` takes, state first; the state epoch is one above the stored one.
    ///
    /// A write of state [`State::Unknown`] takes the record of the position only and is not
    /// fenced.
    ///
    /// # Errors
    /// When the writer is behind, or no partition moves that way; nothing is to be written then.
    pub fn plan_write(&self, write: &StateWrite) -> Result<Vec<MirrorStateRecord>, WriteRefusal> {
        let key = key_of(&write.mirror, write.partition);
        let mut records = Vec::with_capacity(2);
        if write.state != State::Unknown {
            let stored = self.judged(write)?;
            records.push(MirrorStateRecord::PartitionState(key.clone(), Some(stored.to_record())));
        }
        match write.position {
            PositionChange::Set(position) if !position.is_empty() => {
                records.push(MirrorStateRecord::LastMirrorEpochs(key, Some(position.into())));
            }
            PositionChange::Clear if !self.position(&write.mirror, write.partition).is_empty() => {
                records.push(MirrorStateRecord::LastMirrorEpochs(key, None));
            }
            PositionChange::Keep | PositionChange::Set(_) | PositionChange::Clear => {}
        }
        Ok(records)
    }

    /// The state that `write` would store.
    fn judged(&self, write: &StateWrite) -> Result<StoredState, WriteRefusal> {
        let nothing = &StoredState::UNKNOWN;
        let stored = self.state(&write.mirror, write.partition).unwrap_or(nothing);
        if let (Some(wrote), Some(stored)) = (write.leader_epoch, stored.leader_epoch)
            && wrote < stored
        {
            return Err(WriteRefusal::FencedLeaderEpoch { wrote, stored });
        }
        if let Some(wrote) = write.state_epoch
            && wrote < stored.state_epoch
        {
            let stored = stored.state_epoch;
            return Err(WriteRefusal::FencedStateEpoch { wrote, stored });
        }
        if !stored.state.may_move_to(write.state) {
            return Err(WriteRefusal::IllegalTransition { from: stored.state, to: write.state });
        }
        let exhausted = WriteRefusal::StateEpochsExhausted { stored: stored.state_epoch };
        Ok(StoredState {
            state: write.state,
            leader_epoch: write.leader_epoch.max(stored.leader_epoch),
            state_epoch: stored.state_epoch.next().ok_or(exhausted)?,
            error: write.error.clone(),
            retry_attempt: write.retry_attempt,
            previous_state: write.previous_state,
        })
    }

    /// Takes in a record that is durable. False when it is of no use: a kind that is not known,
    /// or the name of no mirror.
    pub fn apply(&mut self, record: &MirrorStateRecord) -> bool {
        let (key, changed) = match record {
            MirrorStateRecord::PartitionState(key, value) => {
                let state = value.as_ref().map(StoredState::from_record);
                (key, Changed::State(state))
            }
            MirrorStateRecord::LastMirrorEpochs(key, value) => {
                (key, Changed::Position(value.map(MirrorPosition::from)))
            }
            MirrorStateRecord::Unknown(_) => return false,
        };
        let Some(mirror) = MirrorName::parse(&key.mirror_name) else { return false };
        let partition = TopicIdPartition { topic_id: key.topic_id, partition: key.partition };
        let partitions = self.mirrors.entry(mirror.clone()).or_default();
        let stored = partitions.entry(partition).or_default();
        match changed {
            Changed::State(state) => stored.state = state,
            Changed::Position(position) => stored.position = position,
        }
        if stored.state.is_none() && stored.position.is_none() {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.mirrors.remove(&mirror);
            }
        }
        true
    }

    /// Records of everything, to write the log anew.
    #[must_use]
    pub fn snapshot(&self) -> Vec<MirrorStateRecord> {
        let mut records = Vec::new();
        for (mirror, partitions) in &self.mirrors {
            for (partition, stored) in partitions {
                let key = key_of(mirror, *partition);
                if let Some(state) = &stored.state {
                    let value = Some(state.to_record());
                    records.push(MirrorStateRecord::PartitionState(key.clone(), value));
                }
                if let Some(position) = stored.position {
                    let value = Some(position.into());
                    records.push(MirrorStateRecord::LastMirrorEpochs(key, value));
                }
            }
        }
        records
    }

    /// Records that delete everything about a mirror: of each partition the state, then the
    /// position.
    #[must_use]
    pub fn tombstones(&self, mirror: &MirrorName) -> Vec<MirrorStateRecord> {
        let partitions = self.mirrors.get(mirror).into_iter().flat_map(BTreeMap::keys);
        partitions.flat_map(|partition| tombstones(mirror, *partition)).collect()
    }

    /// Records that delete everything about a partition of a mirror; none when nothing is stored.
    #[must_use]
    pub fn tombstones_of(
        &self,
        mirror: &MirrorName,
        partition: TopicIdPartition,
    ) -> Vec<MirrorStateRecord> {
        let stored = self.mirrors.get(mirror).and_then(|partitions| partitions.get(&partition));
        stored.map_or_else(Vec::new, |_| tombstones(mirror, partition).into())
    }
}

/// What a record changes.
enum Changed {
    State(Option<StoredState>),
    Position(Option<MirrorPosition>),
}

fn tombstones(mirror: &MirrorName, partition: TopicIdPartition) -> [MirrorStateRecord; 2] {
    let key = key_of(mirror, partition);
    let position = MirrorStateRecord::LastMirrorEpochs(key.clone(), None);
    [MirrorStateRecord::PartitionState(key, None), position]
}

fn key_of(mirror: &MirrorName, partition: TopicIdPartition) -> MirrorPartitionKey {
    let mirror_name = mirror.as_str().to_owned();
    MirrorPartitionKey { mirror_name, topic_id: partition.topic_id, partition: partition.partition }
}

#[cfg(test)]
mod tests;
