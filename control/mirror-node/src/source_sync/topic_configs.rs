//! Settings of topics at the source, taken over by the topics here (KIP-1279, config sync).
//!
//! Set at the source, a setting counts here, whatever was set here; one that is not set there any
//! more stays here. What a node does not know or cannot do is kept for a broker that the directory
//! is handed over to, and told.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_wire::partition::TopicName;
use mirror_coordinator::mirrored_topic_config::SUPPORT_UNCLEAN_ELECTION;

use super::board::{Noted, SyncOutcome};
use crate::source_client::TopicConfigs;
use crate::topic_settings::{check_one, is_of_mirroring};

/// What the source says of settings, in one look.
#[derive(Debug, Default)]
pub(crate) struct ConfigsLook {
    /// Of the topics that were asked about.
    pub(crate) told: TopicConfigs,
    /// True when any were to be asked about.
    pub(crate) was_due: bool,
    /// Why nothing is known.
    pub(crate) failed: Option<String>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// What a start would do with settings of topics.
#[derive(Debug, Default)]
pub(crate) struct PlannedConfigs {
    pub(crate) changed: Noted,
    pub(crate) ineffective: Noted,
}

impl PlannedConfigs {
    /// Takes in a topic with its settings at the source; `ours` are those it has here, and those
    /// that are not copied.
    pub(crate) fn take(
        &mut self,
        topic: &TopicName,
        theirs: &BTreeMap<String, String>,
        (ours, excluded): (&BTreeMap<String, String>, &[String]),
    ) {
        let after = taken_over(theirs, ours, excluded);
        note_changes(topic, (ours, &after), &mut self.changed);
        note_without_effect(topic, &after, &mut self.ineffective);
    }
}

/// The settings of a topic as they are to be from now on.
pub(crate) fn taken_over(
    theirs: &BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
    excluded: &[String],
) -> BTreeMap<String, String> {
    let is_meant = |name: &&String| {
        !excluded.contains(name) && !is_of_mirroring(name) && **name != MIRROR_NAME
    };
    let theirs = theirs.iter().filter(|(name, _)| is_meant(name));
    let theirs = theirs.map(|(name, value)| (name.clone(), value.clone()));
    let mut taken = ours.clone();
    taken.extend(theirs);
    taken
}

/// What is going to be different, for people.
pub(crate) fn note_changes(
    topic: &TopicName,
    (before, after): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    noted: &mut Noted,
) {
    for (name, value) in after {
        match before.get(name) {
            Some(held) if held == value => {}
            Some(held) => noted.note(|| format!("topic {topic}: {name}={value}, was {held}")),
            None => noted.note(|| format!("topic {topic}: {name}={value}, was not set")),
        }
    }
}

/// Settings of a topic that count for nothing here.
fn note_without_effect(topic: &TopicName, configs: &BTreeMap<String, String>, noted: &mut Noted) {
    for (name, value) in configs {
        if let Err(error) = check_one(name, value) {
            noted.note(|| format!("topic {topic}: kept for a hand-over only: {error}"));
        }
    }
}

/// True for a topic whose source elects leaders that lack records.
pub(crate) fn is_unclean(theirs: &BTreeMap<String, String>) -> bool {
    theirs.get(UNCLEAN_ELECTION).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Warns of a topic of that kind where nothing is done about it (KIP-1279, at every sync).
pub(crate) fn note_unclean(topic: &TopicName, noted: &mut Noted) {
    noted.note(|| {
        format!(
            "topic {topic}: {UNCLEAN_ELECTION}=true at the source: after such an election the \
             logs differ, which is not repaired by itself, and the topic fails; to have the log \
             here cut and follow, set {SUPPORT_UNCLEAN_ELECTION}=true for the topic here"
        )
    });
}

/// What a look came to: `topics` are those that are mirrored, with their settings here; `changed`
/// is what it changed.
pub(crate) fn outcome<'t>(
    look: &TopicConfigs,
    topics: impl Iterator<Item = (&'t TopicName, &'t BTreeMap<String, String>)>,
    changed: Noted,
) -> SyncOutcome {
    let mut outcome = SyncOutcome { written: changed.count, changed, ..SyncOutcome::default() };
    for (topic, configs) in topics {
        match look.refused.get(topic) {
            Some(reason) => {
                outcome.failed.note(|| format!("topic {topic}: the source says {reason}"))
            }
            None => outcome.in_step += 1,
        }
        note_without_effect(topic, configs, &mut outcome.skipped);
    }
    outcome
}

const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";
/// Of older prototypes, where it said which mirror a topic belongs to; never copied.
const MIRROR_NAME: &str = "mirror.name";

#[cfg(test)]
mod tests;
