//! What one look at the source's metadata means for the topics of one mirror.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::partition::{TopicId, TopicName};

use crate::directory_state::{DirectoryState, MirrorTopic};
use crate::source_client::rights::NamedTopic;
use crate::source_client::{SourceMetadata, SourceTopic};
use crate::topic_selection::TopicSelection;

/// Looks at the source's metadata again and again; remembers what was missing.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// Consecutive looks in which a topic of ours was missing.
    missing_counts: BTreeMap<TopicName, u32>,
}

/// How a topic stands to the mirror that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It belongs to no mirror.
    Free,
    /// It belongs to this mirror and is mirrored or paused.
    Active,
    /// It belongs to another mirror, or was stopped: it is left alone.
    Elsewhere,
}

/// What a look found about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicFinding<'a> {
    /// The source has a selected topic that we do not have yet.
    New {
        /// Its name.
        name: TopicName,
        /// What the source says of it.
        source: &'a SourceTopic,
    },
    /// The source has a topic of this mirror.
    Known {
        /// Its name.
        name: TopicName,
        /// What the source says of it.
        source: &'a SourceTopic,
    },
    /// The source has a topic of that name under another id: never merged with ours.
    Recreated {
        /// Its name.
        name: TopicName,
        /// Our id.
        ours: TopicId,
        /// The source's id, `None` when it tells none any more.
        theirs: Option<TopicId>,
    },
    /// The source has a topic with the name of one that was made here: never merged with ours.
    NameTaken {
        /// Its name.
        name: TopicName,
        /// The id of the one made here.
        ours: TopicId,
    },
    /// The source has a topic with the id of one that is here under another name, as it can be
    /// where a mirror has a prefix: one of them is too many.
    IdTaken {
        /// Its name.
        name: TopicName,
        /// Its id.
        id: TopicId,
        /// The topic here.
        owner: TopicName,
    },
    /// The source hides a topic of ours from us.
    Denied {
        /// Its name.
        name: TopicName,
    },
    /// A topic of ours is gone from the source: it was missing twice in a row, and the source says
    /// so when it is asked by name.
    Deleted {
        /// Its name.
        name: TopicName,
        /// Its id.
        ours: TopicId,
    },
}

impl Discovery {
    /// Topics of ours that the last look did not find. Whether they are gone is asked by name.
    pub(crate) fn missing(&self) -> BTreeSet<TopicName> {
        self.missing_counts.keys().cloned().collect()
    }

    /// Compares what the source says with what we remember, in the order of names. `named` is what
    /// it says of topics that earlier looks did not find.
    pub(crate) fn look<'a>(
        &mut self,
        selection: &TopicSelection,
        ours: &DirectoryState,
        standing: impl Fn(&TopicName) -> Standing,
        (source, named): (&'a SourceMetadata, &BTreeMap<TopicName, NamedTopic>),
    ) -> Vec<TopicFinding<'a>> {
        let mut findings = Vec::new();
        // Few looks find a new topic.
        let mut owners = None;
        for (name, topic) in &source.topics {
            self.missing_counts.remove(name);
            let finding = match (standing(name), ours.topics.get(name)) {
                (Standing::Elsewhere, _) => continue,
                (Standing::Active, Some(known)) => compare(name, known, topic),
                (Standing::Free | Standing::Active, _) if !selection.selects(name) => continue,
                _ => match ours.local_id(name) {
                    Some(id) => TopicFinding::NameTaken { name: name.clone(), ours: id },
                    None => {
                        let owners = owners.get_or_insert_with(|| owners_of_ids(ours));
                        new_finding(name, topic, owners)
                    }
                },
            };
            findings.push(finding);
        }
        for (name, known) in &ours.topics {
            if source.topics.contains_key(name) || standing(name) != Standing::Active {
                continue;
            }
            let count = self.missing_counts.entry(name.clone()).or_insert(0);
            *count = count.saturating_add(1);
            match named.get(name) {
                Some(told) if told.is_denied() => {
                    findings.push(TopicFinding::Denied { name: name.clone() });
                }
                Some(told) if told.is_gone() && *count >= MISSING_COUNT_DELETED => {
                    let (name, ours) = (name.clone(), known.topic_id);
                    findings.push(TopicFinding::Deleted { name, ours });
                }
                _ => {}
            }
        }
        findings
    }
}

/// The topics here, by their ids.
fn owners_of_ids(ours: &DirectoryState) -> BTreeMap<TopicId, &TopicName> {
    let mirrored = ours.topics.iter().map(|(name, topic)| (topic.topic_id, name));
    let local = ours.local_topics.iter().map(|(name, topic)| (topic.topic_id, name));
    mirrored.chain(local).collect()
}

fn new_finding<'a>(
    name: &TopicName,
    source: &'a SourceTopic,
    owners: &BTreeMap<TopicId, &TopicName>,
) -> TopicFinding<'a> {
    let name = name.clone();
    let taken = source.topic_id.and_then(|id| Some((id, *owners.get(&id)?)));
    match taken.filter(|(_, owner)| **owner != name) {
        Some((id, owner)) => TopicFinding::IdTaken { name, id, owner: owner.clone() },
        None => TopicFinding::New { name, source },
    }
}

fn compare<'a>(name: &TopicName, ours: &MirrorTopic, source: &'a SourceTopic) -> TopicFinding<'a> {
    // A source that had no ids when we began is followed by name for ever.
    if ours.source_has_topic_ids && source.topic_id != Some(ours.topic_id) {
        let (name, ours, theirs) = (name.clone(), ours.topic_id, source.topic_id);
        return TopicFinding::Recreated { name, ours, theirs };
    }
    TopicFinding::Known { name: name.clone(), source }
}

/// One look without a topic may be a broker that has not heard of it yet; two are a deletion.
const MISSING_COUNT_DELETED: u32 = 2;

#[cfg(test)]
mod tests;
