//! Holding topics and going on (KIP-1279, PauseMirrorTopics and ResumeMirrorTopics), and trying
//! failed partitions again (RecoverMirrorTopics).

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::{TopicIdPartition, TopicName, TopicPartition};

use super::command_error::{CommandError, ErrorCode};
use super::start::NodeView;
use super::state_check::{Mismatches, Needed, check_offset};
use super::topic_selection::Selection;
use super::{ClusterMetadata, Planned, TopicOutcome};
use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::partition_state::MirrorPartitionState;

/// Topics of a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsRequest {
    /// The mirror, as asked for.
    pub mirror: String,
    /// Names of topics, or expressions for those of the mirror.
    pub topics: Vec<String>,
    /// Offset of the metadata that the request was looked at with; `None` for no check.
    pub state_offset: Option<i64>,
}

/// Failed partitions that are to be tried again, and what became of each topic asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The mirror.
    pub mirror: MirrorName,
    /// The partitions that have failed, by both their names.
    pub partitions: Vec<(TopicPartition, TopicIdPartition)>,
    /// By topic; changed when one of its partitions is tried again.
    pub outcomes: Vec<TopicOutcome>,
}

impl ClusterMetadata {
    /// Plans to hold topics. What is held already stays so; a topic that an expression matches
    /// and that is stopped is left out.
    ///
    /// # Errors
    /// When nothing can be held: the mirror is unknown, an expression is none, or a topic or
    /// partition is not in a state for it.
    pub fn plan_pause(
        &self,
        request: &TopicsRequest,
        here: &NodeView<'_>,
    ) -> Result<Planned, CommandError> {
        self.plan_hold(request, here, &PAUSE)
    }

    /// Plans to go on with topics that are held. What is mirrored already stays so; a topic that
    /// an expression matches and that is stopped is left out.
    ///
    /// # Errors
    /// As [`Self::plan_pause`].
    pub fn plan_resume(
        &self,
        request: &TopicsRequest,
        here: &NodeView<'_>,
    ) -> Result<Planned, CommandError> {
        self.plan_hold(request, here, &RESUME)
    }

    fn plan_hold(
        &self,
        request: &TopicsRequest,
        here: &NodeView<'_>,
        hold: &Hold,
    ) -> Result<Planned, CommandError> {
        let (name, _) = self.mirror_named(&request.mirror)?;
        check_named(name, &request.topics, hold.verb)?;
        let selection = Selection::of_entries(self, name, &request.topics)?;
        let (mut records, mut outcomes) = (Vec::new(), Vec::new());
        let mut mismatches = Mismatches::default();
        for (topic, (bound, is_named)) in &selection.bound {
            check_offset(topic, bound, request.state_offset)?;
            let is_stopped = bound.desired == DesiredState::Stopped;
            if is_stopped && !is_named {
                continue;
            }
            let result = if bound.desired == hold.to {
                Ok(false)
            } else if is_stopped {
                Err(hold.refused(name, topic))
            } else {
                mismatches.look(topic, bound, hold.needed, here.states);
                records.push(bound.wanted(topic, hold.to));
                Ok(true)
            };
            outcomes.push(TopicOutcome { topic: topic.to_string(), result });
        }
        mismatches.refuse(name, hold.needed)?;
        for topic in selection.missing {
            let result = Err(self.not_bound(name, &topic, here));
            outcomes.push(TopicOutcome { topic, result });
        }
        Ok(Planned { change: self.change(records), outcomes, also_stopped: Vec::new() })
    }

    /// Plans to try the failed partitions of topics again, those too that no retry helps. Nothing
    /// of the metadata changes.
    ///
    /// # Errors
    /// When the mirror is unknown or an expression is none.
    pub fn plan_recover(
        &self,
        request: &TopicsRequest,
        here: &NodeView<'_>,
    ) -> Result<Recovery, CommandError> {
        let (name, _) = self.mirror_named(&request.mirror)?;
        check_named(name, &request.topics, "recovery")?;
        let selection = Selection::of_entries(self, name, &request.topics)?;
        let (mut partitions, mut outcomes) = (Vec::new(), Vec::new());
        for (topic, (bound, _)) in &selection.bound {
            let before = partitions.len();
            for (partition, state) in (here.states)(name, bound.topic_id) {
                if state == MirrorPartitionState::Failed {
                    let by_name = TopicPartition { topic: (*topic).clone(), partition };
                    let by_id = TopicIdPartition { topic_id: bound.topic_id, partition };
                    partitions.push((by_name, by_id));
                }
            }
            let result = Ok(partitions.len() > before);
            outcomes.push(TopicOutcome { topic: topic.to_string(), result });
        }
        for topic in selection.missing {
            let result = Err(self.not_bound(name, &topic, here));
            outcomes.push(TopicOutcome { topic, result });
        }
        Ok(Recovery { mirror: name.clone(), partitions, outcomes })
    }
}

fn check_named(name: &MirrorName, topics: &[String], verb: &str) -> Result<(), CommandError> {
    if !topics.is_empty() {
        return Ok(());
    }
    let message = format!("mirror {name}: a {verb} needs a topic, none was named");
    Err(CommandError::new(ErrorCode::InvalidRequest, message))
}

/// One of two ways to go.
struct Hold {
    verb: &'static str,
    to: DesiredState,
    needed: Needed,
    /// Why a stopped topic is refused.
    of_stopped: MirrorError,
    cure: &'static str,
}

impl Hold {
    fn refused(&self, mirror: &MirrorName, topic: &TopicName) -> CommandError {
        let (done, cure) = (self.needed.done, self.cure);
        let message =
            format!("mirror {mirror}: topic {topic} cannot be {done}, it is STOPPED: {cure}");
        CommandError::new(self.of_stopped, message)
    }
}

const PAUSE: Hold = Hold {
    verb: "pause",
    to: DesiredState::Paused,
    needed: Needed {
        done: "paused",
        state: MirrorPartitionState::Mirroring,
        cure: "wait until every partition is MIRRORING, and recover those that failed; to end \
               mirroring at once, stop it",
    },
    of_stopped: MirrorError::MirrorTopicBeingStopped,
    cure: "it is not mirrored any more; start it first",
};

const RESUME: Hold = Hold {
    verb: "resume",
    to: DesiredState::Mirroring,
    needed: Needed {
        done: "resumed",
        state: MirrorPartitionState::Paused,
        cure: "wait until every partition is PAUSED, and recover those that failed",
    },
    of_stopped: MirrorError::MirrorTopicNotPaused,
    cure: "start it instead",
};
