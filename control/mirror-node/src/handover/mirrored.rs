//! What becomes of mirrors: a stock broker has none. Their positions go into the report, and what
//! was not stopped is named, because it can be written to there all the same.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicIdPartition, TopicName, TopicPartition};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_states::MirrorStates;
use mirror_coordinator::partition_state::MirrorPartitionState;
use serde::Serialize;

use crate::directory::{DataDirectory, DirectoryCheckpoints};
use crate::mirror_state_journal::{MIRROR_STATE_TOPIC, decoded};
use crate::partition_check::PartitionCheck;
use crate::record_journal::read_log;

/// A partition as its mirror left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandedMirror {
    /// The mirror.
    pub name: String,
    /// What was wanted of the topic.
    pub desired_state: &'static str,
    /// Where the partition stood.
    pub state: &'static str,
    /// Newest epoch of the source in the log when mirroring stopped; -1 when it did not.
    pub last_mirror_epoch: i32,
    /// Where the log ended then; -1 when it did not stop.
    pub last_mirror_offset: i64,
}

/// The partitions that belong to mirrors. Says in `notes` what the operator has to know.
pub(super) fn of_directory(
    directory: &DataDirectory,
    checks: &[PartitionCheck],
    checkpoints: &DirectoryCheckpoints,
    notes: &mut Vec<String>,
) -> BTreeMap<TopicPartition, HandedMirror> {
    let metadata = &directory.state.cluster_mirrors;
    if metadata.topics().is_empty() {
        return BTreeMap::new();
    }
    let states = read_states(directory, checks, checkpoints).unwrap_or_else(|reason| {
        notes.push(format!("the positions of mirrors cannot be told: {reason}"));
        MirrorStates::default()
    });
    let mut handed = BTreeMap::new();
    let mut active: BTreeMap<&MirrorName, BTreeSet<&TopicName>> = BTreeMap::new();
    for check in checks {
        let topic = &check.name.topic;
        let Some(bound) = metadata.topics().get(topic) else { continue };
        let id = TopicIdPartition { topic_id: bound.topic_id, partition: check.name.partition };
        let state = states.state(&bound.mirror, id);
        let state = state.map_or(MirrorPartitionState::Unknown, |stored| stored.state);
        let position = states.position(&bound.mirror, id);
        if bound.desired != DesiredState::Stopped || state != MirrorPartitionState::Stopped {
            active.entry(&bound.mirror).or_default().insert(topic);
        }
        let mirror = HandedMirror {
            name: bound.mirror.to_string(),
            desired_state: bound.desired.name(),
            state: state.name(),
            last_mirror_epoch: position.wire_epoch(),
            last_mirror_offset: position.wire_offset(),
        };
        handed.insert(check.name.clone(), mirror);
    }
    notes.extend(active.iter().map(|(mirror, topics)| note_of_active(mirror, topics)));
    notes.push(
        "a stock broker knows no mirrors: it follows no source, and sources that fail back ask it \
         for positions in vain; this report has them"
            .to_owned(),
    );
    handed
}

fn note_of_active(mirror: &MirrorName, topics: &BTreeSet<&TopicName>) -> String {
    let told: Vec<_> = topics.iter().take(TOPICS_TOLD_MAX).map(|topic| topic.as_str()).collect();
    let others = match topics.len() - told.len() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    format!(
        "mirror {mirror}: not stopped were {}{others}; a stock broker makes ordinary topics of \
         them that clients can write to, without a position that their source could go back to: \
         to keep them apart from their source in good order, stop them on the node first and hand \
         over after that",
        told.join(", ")
    )
}

/// The states and positions in the closed logs of `__mirror_state`.
fn read_states(
    directory: &DataDirectory,
    checks: &[PartitionCheck],
    checkpoints: &DirectoryCheckpoints,
) -> Result<MirrorStates, String> {
    let mut states = MirrorStates::default();
    for check in checks.iter().filter(|check| check.name.topic.as_str() == MIRROR_STATE_TOPIC) {
        let checkpointed = checkpoints.log_starts.get(&check.name).copied();
        let log_start = checkpointed.unwrap_or(Offset::ZERO).max(check.first_base);
        let path = directory.root().join(check.name.to_string());
        let index = usize::try_from(check.name.partition.get()).unwrap_or_default();
        let read = read_log(&path, log_start, check.log_end, &|| false, &mut |record| {
            let record = decoded(index, record.offset, record.key, record.value);
            states.apply(&record.map_err(|error| error.to_string())?);
            Ok(())
        });
        let read = read.map_err(|reason| format!("{}: {reason}", check.name))?;
        if !read.is_whole || read.foreign > 0 {
            return Err(format!("{}: not every record of it can be read", check.name));
        }
    }
    Ok(states)
}

/// Topics of one mirror that a note names.
const TOPICS_TOLD_MAX: usize = 10;

#[cfg(test)]
mod tests;
