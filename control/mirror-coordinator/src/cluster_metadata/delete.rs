//! Deleting a mirror (KIP-1279, DeleteClusterMirror): its topics stay, and belong to nobody.

use kafka_wire::mirror_error::MirrorError;

use super::command_error::CommandError;
use super::start::NodeView;
use super::state_check::{Mismatches, Needed, check_offset};
use super::{ClusterMetadata, MetadataChange, MetadataRecord};
use crate::desired_state::DesiredState;
use crate::partition_state::MirrorPartitionState;

impl ClusterMetadata {
    /// Plans to delete a mirror with the binding of its topics, in one change.
    ///
    /// # Errors
    /// When it is unknown, or a topic or partition of it is not stopped.
    pub fn plan_delete(
        &self,
        mirror: &str,
        state_offset: Option<i64>,
        here: &NodeView<'_>,
    ) -> Result<MetadataChange, CommandError> {
        let (name, _) = self.mirror_named(mirror)?;
        let (mut active, mut mismatches) = (Vec::new(), Mismatches::default());
        for (topic, bound) in self.topics.iter().filter(|(_, bound)| bound.mirror == *name) {
            check_offset(topic, bound, state_offset)?;
            if bound.desired == DesiredState::Stopped {
                mismatches.look(topic, bound, NEEDED, here.states);
            } else {
                active.push((topic, bound.desired));
            }
        }
        if let Some((topic, desired)) = active.first() {
            let message = format!(
                "mirror {name} cannot be deleted: topic {topic} is {desired}, {} in all are not \
                 STOPPED; stop them first",
                active.len()
            );
            return Err(CommandError::new(MirrorError::ClusterMirrorNotEmpty, message));
        }
        mismatches.refuse(name, NEEDED)?;
        Ok(self.change(vec![MetadataRecord::MirrorDeleted(name.clone())]))
    }
}

const NEEDED: Needed = Needed {
    done: "let go of",
    state: MirrorPartitionState::Stopped,
    cure: "wait until every partition is STOPPED, and recover those that failed on the way",
};
