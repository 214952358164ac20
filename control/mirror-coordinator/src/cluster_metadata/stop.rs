//! Stopping topics: the failover (KIP-1279, StopMirrorTopics).
//!
//! No state of a partition keeps a topic from being stopped (decision Q1, and beyond it): the
//! moment of a failover is the one at which partitions have failed, are being aligned or paused.
//! What to do from each state is the lifecycle's to know.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicName;

use super::command_error::{CommandError, ErrorCode};
use super::filters::{Filters, compiled, parse_patterns};
use super::start::NodeView;
use super::state_check::check_offset;
use super::topic_selection::Selection;
use super::{BoundTopic, ClusterMetadata, MetadataRecord, Mirror, Planned, TopicOutcome};
use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::topic_patterns::TopicPatterns;

/// What is to be stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRequest {
    /// The mirror, as asked for.
    pub mirror: String,
    /// Topics by name; filters stay as they are.
    pub topics: Vec<String>,
    /// Patterns: what they match of the mirror is stopped, and filters are edited so that nothing
    /// of it is started again.
    pub patterns: Vec<String>,
    /// Offset of the metadata that the request was looked at with; `None` for no check.
    pub state_offset: Option<i64>,
}

impl ClusterMetadata {
    /// Plans to stop topics. Outcomes hold what is refused of single topics; the others are
    /// stopped.
    ///
    /// # Errors
    /// When nothing can be stopped: the mirror is unknown, a pattern is none, or a topic changed
    /// after the request was looked at.
    pub fn plan_stop(
        &self,
        request: &StopRequest,
        here: &NodeView<'_>,
    ) -> Result<Planned, CommandError> {
        let (name, mirror) = self.mirror_named(&request.mirror)?;
        if request.topics.is_empty() && request.patterns.is_empty() {
            let message =
                format!("mirror {name}: a stop needs a topic or a pattern, none was named");
            return Err(CommandError::new(ErrorCode::InvalidRequest, message));
        }
        let mut selection = Selection::of_names(self, name, &request.topics)?;
        let patterns = parse_patterns(name, &request.patterns)?;
        selection.add_matching(self, name, &patterns);
        let mut filters = Filters::of(&mirror.configs);
        for pattern in &request.patterns {
            // A topic's name that is nothing's is a mistake; an expression may be for the future.
            let is_name = TopicName::parse(pattern).is_some();
            if is_name && !filters.has_include(pattern) && !selection.has_match(pattern) {
                selection.missing.push(pattern.clone());
            } else {
                filters.stop(pattern);
            }
        }
        let edited = filters.into_mirror(mirror);
        compiled(name, &edited)?;
        let (mut records, mut outcomes) = (Vec::new(), Vec::new());
        if edited != *mirror {
            records.push(MetadataRecord::Mirror(name.clone(), edited));
        }
        for (topic, (bound, _)) in &selection.bound {
            check_offset(topic, bound, request.state_offset)?;
            let changes = bound.desired != DesiredState::Stopped;
            if changes {
                records.push(bound.wanted(topic, DesiredState::Stopped));
            }
            outcomes.push(TopicOutcome { topic: topic.to_string(), result: Ok(changes) });
        }
        for topic in selection.missing {
            let result = Err(self.not_bound(name, &topic, here));
            outcomes.push(TopicOutcome { topic, result });
        }
        Ok(Planned { change: self.change(records), outcomes, also_stopped: Vec::new() })
    }

    /// Plans to stop the topics of a mirror that its exclusions name by now (each look at the
    /// source does that). Empty when there are none.
    #[must_use]
    pub fn plan_stop_excluded(&self, name: &MirrorName, patterns: &TopicPatterns) -> Planned {
        let mut records = Vec::new();
        let also_stopped = match self.mirrors.get(name) {
            Some(_) => self.stop_matching(name, patterns, &mut records),
            None => Vec::new(),
        };
        Planned { change: self.change(records), outcomes: Vec::new(), also_stopped }
    }

    /// Stops what edited exclusions name; nothing when they are as they were.
    pub(super) fn stop_excluded(
        &self,
        name: &MirrorName,
        before: &Mirror,
        after: &TopicPatterns,
        records: &mut Vec<MetadataRecord>,
    ) -> Vec<TopicName> {
        let same = compiled(name, before).is_ok_and(|before| before.exclude == after.exclude);
        if same { Vec::new() } else { self.stop_matching(name, after, records) }
    }

    fn stop_matching(
        &self,
        name: &MirrorName,
        patterns: &TopicPatterns,
        records: &mut Vec<MetadataRecord>,
    ) -> Vec<TopicName> {
        let is_out = |(topic, bound): &(&TopicName, &BoundTopic)| {
            bound.mirror == *name
                && bound.desired != DesiredState::Stopped
                && patterns.exclude.matches(topic.as_str())
        };
        let excluded: BTreeMap<_, _> = self.topics.iter().filter(is_out).collect();
        // A start of the same batch that the exclusions name was refused.
        let stops =
            excluded.iter().map(|(topic, bound)| bound.wanted(topic, DesiredState::Stopped));
        records.extend(stops);
        excluded.into_keys().cloned().collect()
    }
}
