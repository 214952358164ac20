//! Whether topics and partitions are as a command needs them (KIP-1279, validation rules), and
//! whether they still are as they were when the command was looked at (optimistic lock).

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};

use super::BoundTopic;
use super::command_error::CommandError;
use crate::mirror_name::MirrorName;
use crate::partition_state::MirrorPartitionState;

/// The states of a topic's partitions, as the store of states has them. A partition without a
/// record is [`MirrorPartitionState::Unknown`], or left out.
pub type PartitionStates<'a> =
    dyn Fn(&MirrorName, TopicId) -> Vec<(PartitionIndex, MirrorPartitionState)> + 'a;

/// What a command needs of every partition.
#[derive(Clone, Copy)]
pub(super) struct Needed {
    /// What is done, as in `cannot be started`.
    pub(super) done: &'static str,
    /// The one state it is legal in; a partition without a record passes always.
    pub(super) state: MirrorPartitionState,
    /// What the operator can do about another one.
    pub(super) cure: &'static str,
}

/// Partitions that are not in the state a command needs, of all topics together.
#[derive(Default)]
pub(super) struct Mismatches {
    first: Option<(TopicName, PartitionIndex, MirrorPartitionState)>,
    count: usize,
}

impl Mismatches {
    /// Looks at every partition of a topic.
    pub(super) fn look(
        &mut self,
        topic: &TopicName,
        bound: &BoundTopic,
        needed: Needed,
        states: &PartitionStates<'_>,
    ) {
        for (partition, state) in states(&bound.mirror, bound.topic_id) {
            if state == needed.state || state == MirrorPartitionState::Unknown {
                continue;
            }
            self.count += 1;
            self.first.get_or_insert_with(|| (topic.clone(), partition, state));
        }
    }

    /// Refuses the whole request when there was one.
    pub(super) fn refuse(self, mirror: &MirrorName, needed: Needed) -> Result<(), CommandError> {
        let Some((topic, partition, state)) = self.first else { return Ok(()) };
        let others = match self.count - 1 {
            0 => String::new(),
            others => format!(" and {others} more are not either"),
        };
        let Needed { done, state: expected, cure } = needed;
        let message = format!(
            "mirror {mirror}: topic {topic} cannot be {done}, its partition {partition} is {state} \
             and not {expected}{others}; nothing was changed: {cure}"
        );
        Err(CommandError::new(MirrorError::InvalidClusterMirrorState, message))
    }
}

/// Refuses what was looked at before the topic last changed.
pub(super) fn check_offset(
    topic: &TopicName,
    bound: &BoundTopic,
    state_offset: Option<i64>,
) -> Result<(), CommandError> {
    match state_offset {
        Some(offset) if bound.changed_at > offset => {
            let BoundTopic { mirror, desired, changed_at, .. } = bound;
            let message = format!(
                "mirror {mirror}: topic {topic} was changed at offset {changed_at}, after it was \
                 looked at (offset {offset}), and is to be {desired} now; nothing was changed: \
                 look again, and repeat the command if it is still wanted"
            );
            Err(CommandError::new(MirrorError::InvalidClusterMirrorState, message))
        }
        _ => Ok(()),
    }
}
