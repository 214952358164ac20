//! Which of a mirror's topics a request means: by their names, or by expressions.

use std::collections::BTreeMap;

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::TopicName;

use super::command_error::{CommandError, ErrorCode};
use super::filters::parse_patterns;
use super::limits::COMMAND_TOPICS_MAX;
use super::start::NodeView;
use super::{BoundTopic, ClusterMetadata};
use crate::mirror_name::MirrorName;
use crate::topic_patterns::{PatternList, beginning, is_plain_name};

/// What a request means.
pub(super) struct Selection<'a> {
    /// Topics of the mirror; true for those that are named outright.
    pub(super) bound: BTreeMap<&'a TopicName, (&'a BoundTopic, bool)>,
    /// What was asked for and is no topic of the mirror.
    pub(super) missing: Vec<String>,
}

impl<'a> Selection<'a> {
    /// Topics by their names.
    pub(super) fn of_names(
        metadata: &'a ClusterMetadata,
        mirror: &MirrorName,
        names: &[String],
    ) -> Result<Self, CommandError> {
        if names.len() > COMMAND_TOPICS_MAX {
            let count = names.len();
            let message = format!(
                "mirror {mirror}: {count} topics in one request, at most {COMMAND_TOPICS_MAX} are \
                 taken"
            );
            return Err(CommandError::new(ErrorCode::InvalidRequest, message));
        }
        let mut selection = Self { bound: BTreeMap::new(), missing: Vec::new() };
        for name in names {
            match bound_topic(metadata, mirror, name) {
                Some((topic, bound)) => drop(selection.bound.insert(topic, (bound, true))),
                None => selection.missing.push(name.clone()),
            }
        }
        Ok(selection)
    }

    /// Topics by their names, or by expressions where an entry is not one's name.
    pub(super) fn of_entries(
        metadata: &'a ClusterMetadata,
        mirror: &MirrorName,
        entries: &[String],
    ) -> Result<Self, CommandError> {
        let mut selection = Self::of_names(metadata, mirror, entries)?;
        let missing = std::mem::take(&mut selection.missing);
        let (names, expressions): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|entry| is_plain_name(entry));
        let patterns = parse_patterns(mirror, &expressions)?;
        selection.add_matching(metadata, mirror, &patterns);
        selection.missing = names;
        for expression in expressions {
            if !selection.has_match(&expression) {
                selection.missing.push(expression);
            }
        }
        Ok(selection)
    }

    /// Adds the mirror's topics that the patterns match.
    pub(super) fn add_matching(
        &mut self,
        metadata: &'a ClusterMetadata,
        mirror: &MirrorName,
        patterns: &PatternList,
    ) {
        if patterns.patterns().is_empty() {
            return;
        }
        let of_mirror = metadata.topics.iter().filter(|(_, bound)| bound.mirror == *mirror);
        for (topic, bound) in of_mirror.filter(|(topic, _)| patterns.matches(topic.as_str())) {
            self.bound.entry(topic).or_insert((bound, false));
        }
    }

    /// True when the pattern by itself matches a topic that was selected.
    pub(super) fn has_match(&self, pattern: &str) -> bool {
        let named = TopicName::parse(pattern);
        let is_named = named.is_some_and(|name| self.bound.contains_key(&name));
        let by_expression = || {
            let pattern = PatternList::parse(&[pattern]);
            pattern.is_ok_and(|one| self.bound.keys().any(|topic| one.matches(topic.as_str())))
        };
        is_named || (!is_plain_name(pattern) && by_expression())
    }
}

impl ClusterMetadata {
    /// Why `entry`, which is no topic of the mirror, is refused.
    pub(super) fn not_bound(
        &self,
        mirror: &MirrorName,
        entry: &str,
        here: &NodeView<'_>,
    ) -> CommandError {
        let name = TopicName::parse(entry);
        let other = name.as_ref().and_then(|name| self.topics.get(name));
        let told = beginning(entry);
        let refused = |seen: &str| {
            let message = format!(
                "mirror {mirror}: topic {told} {seen}; describe the mirror to see its topics"
            );
            CommandError::new(MirrorError::TopicNotInClusterMirror, message)
        };
        match (name, other) {
            (_, Some(BoundTopic { mirror: other, .. })) => {
                refused(&format!("belongs to mirror {other}, name that one"))
            }
            (Some(name), None) if (here.topic_id)(&name).is_some() => {
                refused("belongs to no mirror")
            }
            _ => {
                let message = format!(
                    "mirror {mirror}: no topic {told} is here; describe the mirror to see \
                 its topics"
                );
                CommandError::new(ErrorCode::UnknownTopicOrPartition, message)
            }
        }
    }
}

fn bound_topic<'a>(
    metadata: &'a ClusterMetadata,
    mirror: &MirrorName,
    name: &str,
) -> Option<(&'a TopicName, &'a BoundTopic)> {
    let of_name = metadata.topics.get_key_value(&TopicName::parse(name)?);
    of_name.filter(|(_, bound)| bound.mirror == *mirror)
}
